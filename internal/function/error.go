package function

import (
	"example.com/dispatch/pkg/dispatch"
)

// The types of enqueue's errors. The message of each is problem details, as RFC 9457 writes them.
const (
	InvalidInput = "InvalidInput" // nothing was stored
	Conflict     = "Conflict"     // an id has been enqueued with other content
	TooLarge     = "TooLarge"     // the one task would pass the store's limit
	NotStored    = "NotStored"    // the store failed: enqueue it again, as Lambda itself does with asynchronous events
)

// Error is a function's own error, as Lambda reports it.
type Error struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`

	faults []dispatch.Fault // those in the message
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// pointers returns where the faults are: names of fields alone, while the details may quote what they hold.
func (e *Error) pointers() []string {
	pointers := make([]string, len(e.faults))
	for i, f := range e.faults {
		pointers[i] = f.Pointer
	}
	return pointers
}

func failure(kind string, p dispatch.Problem) error {
	return &Error{Message: p.Error(), Type: kind, faults: p.Errors}
}
