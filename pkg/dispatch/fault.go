package dispatch

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// InvalidInput is the error for input that enqueue refuses: all of its faults. Nothing of it was stored.
type InvalidInput struct{ Faults []Fault }

// Fault is one thing that is wrong with the input.
type Fault struct {
	Detail  string `json:"detail"`
	Pointer string `json:"pointer"` // JSON Pointer as a URI fragment (RFC 6901, section 6): "#/tasks/1/uri"
}

// Problem is an error as RFC 9457 writes it.
type Problem struct {
	Title  string  `json:"title"`
	Status int     `json:"status"` // the HTTP status that goes with it
	Detail string  `json:"detail,omitempty"`
	Errors []Fault `json:"errors,omitempty"`
}

// Problem returns the faults as problem details.
func (e *InvalidInput) Problem() Problem {
	return Problem{Title: "Invalid input", Status: 400, Errors: e.Faults}
}

// Error lists the faults in one line.
func (e *InvalidInput) Error() string {
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		parts[i] = f.Pointer + ": " + f.Detail
	}
	return "invalid input: " + strings.Join(parts, "; ")
}

// Error is the problem as JSON, so that it survives where only a text is passed on.
func (p Problem) Error() string {
	b, err := json.Marshal(p)
	if err != nil {
		return p.Title
	}
	return string(b)
}

// faults collects what is wrong.
type faults struct{ list []Fault }

func (f *faults) add(pointer, format string, args ...any) {
	f.list = append(f.list, Fault{Detail: fmt.Sprintf(format, args...), Pointer: "#" + (&url.URL{Path: pointer}).EscapedPath()})
}

func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return &InvalidInput{Faults: f.list}
}
