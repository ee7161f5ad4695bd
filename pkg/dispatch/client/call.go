package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
)

const (
	// tryTime is what one invocation may take: more than the function itself may.
	tryTime      = 35 * time.Second
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// FunctionError is an error of enqueue that is none of the input's: a timeout, or a store that did not answer.
type FunctionError struct {
	Type    string // as Lambda reports it: "NotStored", "Sandbox.Timedout"
	Message string
}

// Error says what the function said.
func (e *FunctionError) Error() string { return "enqueue failed: " + e.Type + ": " + e.Message }

// StatusError is an answer of Lambda's, or a server's, own that is none of success.
type StatusError struct {
	Status int    // of HTTP
	Body   string // at most 200 bytes
}

// Error says what came.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// HTTPStatusCode returns the status.
func (e *StatusError) HTTPStatusCode() int { return e.Status }

// errFinal is wrapped by errors that no repetition mends.
var errFinal = errors.New("not repeated")

// call enqueues the items, which go in one call, and repeats what was not taken for now.
func (c Client) call(ctx context.Context, items []item, receipts []dispatch.Receipt) error {
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTime)
		defer cancel()
	}
	left := items
	for tries := 1; ; tries++ {
		var err error
		left, err = c.try(ctx, left, receipts)
		if err == nil {
			return nil
		}
		if _, invalid := errors.AsType[*dispatch.InvalidInput](err); invalid {
			return err
		}
		if !passing(err) {
			return fmt.Errorf("enqueueing: %w", err)
		}
		if !pause(ctx, tries) {
			return fmt.Errorf("%w: %w", dispatch.ErrNotStored, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// try invokes enqueue once and writes the receipts that it answers. It returns those items that are to be sent again,
// with the reason.
func (c Client) try(ctx context.Context, items []item, receipts []dispatch.Receipt) ([]item, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	answer, functionError, err := c.Invoke(ctx, inputOf(items))
	if err != nil {
		return items, err
	}
	if functionError != "" {
		return items, refused(answer, items, receipts)
	}
	var got dispatch.Receipts
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Tasks) != len(items) {
		return items, fmt.Errorf("%w: %d receipts for %d tasks: is this enqueue?", errFinal, len(got.Tasks), len(items))
	}
	var left []item
	for i, r := range got.Tasks {
		one := items[i]
		if one.made {
			r.Existing = false // by an earlier try of this call
		}
		receipts[one.at] = r
		if r.Error != nil && r.Error.Status >= http.StatusInternalServerError {
			left, err = append(left, one), r.Error
		}
	}
	return left, err
}

// refused returns what a function's error means; faults of the input go to the receipts as well.
func refused(answer []byte, items []item, receipts []dispatch.Receipt) error {
	var own function.Error
	var p dispatch.Problem
	if err := json.Unmarshal(answer, &own); err != nil {
		return &FunctionError{Type: "Error", Message: string(answer[:min(len(answer), maxMessage)])}
	}
	if own.Type != function.InvalidInput || json.Unmarshal([]byte(own.Message), &p) != nil {
		return &FunctionError{Type: own.Type, Message: own.Message}
	}
	for _, one := range items {
		receipts[one.at] = notStored(receipts[one.at].ID, http.StatusBadRequest, "another task of the same call has faults")
	}
	invalid := &dispatch.InvalidInput{}
	for _, f := range p.Errors {
		if index, rest, ok := indexOf(f.Pointer); ok && index < len(items) {
			at := items[index].at
			f.Pointer = pointer(at) + rest
			r := &receipts[at]
			if r.Error.Errors == nil {
				r.Error = &dispatch.Problem{Title: "Invalid input", Status: http.StatusBadRequest}
			}
			r.Error.Errors = append(r.Error.Errors, f)
		}
		invalid.Faults = append(invalid.Faults, f)
	}
	return invalid
}

const maxMessage = 200 // bytes of an answer that cannot be read

// indexOf splits a pointer such as "#/tasks/7/uri" into 7 and "/uri".
func indexOf(p string) (index int, rest string, ok bool) {
	p, ok = strings.CutPrefix(p, "#/tasks/")
	if !ok {
		return 0, "", false
	}
	number, rest, deeper := strings.Cut(p, "/")
	if deeper {
		rest = "/" + rest
	}
	index, err := strconv.Atoi(number)
	return index, rest, err == nil && index >= 0
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	if errors.Is(err, errFinal) {
		return false
	}
	var answered interface{ HTTPStatusCode() int }
	if !errors.As(err, &answered) {
		return true // no answer, or one of the function itself
	}
	status := answered.HTTPStatusCode()
	return status == http.StatusConflict || status == http.StatusTooManyRequests || status < 400 || status > 499
}

// pause waits after so many tries, up to twice as long each time, and reports whether there is time for another. The wait
// is random, so that many that were refused at once do not come back at once.
func pause(ctx context.Context, tries int) bool {
	timer := time.NewTimer(1 + rand.N(min(maxBackoff, firstBackoff<<min(tries-1, 10))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
