package dispatch

import "errors"

// Why a store cannot be written to, where it knows. After these, as after any error that is not of the contract's
// own, what was asked for may be done or not.
var (
	ErrFull       = errors.New("the store has no room left")
	ErrUnwritable = errors.New("the store cannot be written to") // its file or disk is read-only, or fails
)

// Unwritable returns the problem that an error means which says why the store cannot be written to.
func Unwritable(err error) (Problem, bool) {
	switch {
	case errors.Is(err, ErrFull):
		return Problem{Title: "Insufficient Storage", Status: 507, Detail: "the store's disk is full; ask again, under the same id, once there is room"}, true
	case errors.Is(err, ErrUnwritable):
		return Problem{Title: "Not stored", Status: 503, Detail: "the store's file cannot be written to: the disk is read-only, limited or broken; ask again, under the same id, once it is mended"}, true
	}
	return Problem{}, false
}
