package dynamotest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Faults is a transport that does what it is told to the next requests of an operation and passes on all others.
// The zero value is ready.
type Faults struct {
	mu   sync.Mutex
	next map[string][]Fault
	sent map[string]int
}

// Fault answers one request; send passes it on to the server and reads the whole answer.
type Fault func(ctx context.Context, send func() (*http.Response, error)) (*http.Response, error)

// Next makes the next n requests of an operation, such as "PutItem", meet the fault, after those told before.
func (f *Faults) Next(operation string, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(map[string][]Fault)
	}
	for range n {
		f.next[operation] = append(f.next[operation], fault)
	}
}

// Left returns how many faults of an operation no request has met yet.
func (f *Faults) Left(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.next[operation])
}

// Requests returns how many requests of an operation there were, repeats too.
func (f *Faults) Requests(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent[operation]
}

// RoundTrip implements [http.RoundTripper].
func (f *Faults) RoundTrip(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	send := func() (*http.Response, error) { return whole(http.DefaultTransport.RoundTrip(req)) }
	if fault := f.take(operation); fault != nil {
		return fault(req.Context(), send)
	}
	return send()
}

func (f *Faults) take(operation string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent == nil {
		f.sent = make(map[string]int)
	}
	f.sent[operation]++
	faults := f.next[operation]
	if len(faults) == 0 {
		return nil
	}
	f.next[operation] = faults[1:]
	return faults[0]
}

// whole reads an answer's body, so that whoever loses or changes the answer knows that the request was performed.
func whole(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// Lost performs the request and loses the answer. Meanwhile, if not nil, happens before the sender learns of it.
func Lost(meanwhile func()) Fault {
	return func(_ context.Context, send func() (*http.Response, error)) (*http.Response, error) {
		if _, err := send(); err != nil {
			return nil, err
		}
		if meanwhile != nil {
			meanwhile()
		}
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
}

// Cut performs the request and cuts the answer off in its middle.
func Cut(_ context.Context, send func() (*http.Response, error)) (*http.Response, error) {
	resp, err := send()
	if err != nil {
		return nil, err
	}
	half := io.LimitReader(resp.Body, max(resp.ContentLength/2, 1))
	resp.Body = io.NopCloser(io.MultiReader(half, broken{}))
	return resp, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Unsent performs nothing: there is no connection.
func Unsent(context.Context, func() (*http.Response, error)) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// After lets something happen before the request is performed.
func After(first func()) Fault {
	return func(_ context.Context, send func() (*http.Response, error)) (*http.Response, error) {
		first()
		return send()
	}
}

// Answer performs nothing and answers with this status and error code, such as "ThrottlingException".
func Answer(status int, code string) Fault {
	return func(context.Context, func() (*http.Response, error)) (*http.Response, error) {
		return answer(status, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"a fault of the test"}`, code)), nil
	}
}

func answer(status int, body string) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// Cancelled performs nothing and answers that the transaction was cancelled, with these codes for its items, such as
// "TransactionConflict" or "None".
func Cancelled(codes ...string) Fault {
	return func(context.Context, func() (*http.Response, error)) (*http.Response, error) {
		reasons := make([]map[string]string, len(codes))
		for i, code := range codes {
			reasons[i] = map[string]string{"Code": code}
		}
		body, err := json.Marshal(map[string]any{
			"__type":              "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
			"Message":             "a fault of the test",
			"CancellationReasons": reasons,
		})
		return answer(http.StatusBadRequest, string(body)), err
	}
}

// Instead performs the request and answers with another fault.
func Instead(fault Fault) Fault {
	return func(ctx context.Context, send func() (*http.Response, error)) (*http.Response, error) {
		if _, err := send(); err != nil {
			return nil, err
		}
		return fault(ctx, send)
	}
}

// Changed performs the request and changes the answer's JSON.
func Changed(change func(answer map[string]any)) Fault {
	return func(_ context.Context, send func() (*http.Response, error)) (*http.Response, error) {
		resp, err := send()
		if err != nil {
			return nil, err
		}
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return nil, fmt.Errorf("decoding the answer to change: %w", err)
		}
		change(answer)
		body, err := json.Marshal(answer)
		if err != nil {
			return nil, fmt.Errorf("encoding the changed answer: %w", err)
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Del("X-Amz-Crc32")
		resp.Header.Del("Content-Length")
		return resp, nil
	}
}
