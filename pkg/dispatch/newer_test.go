package dispatch_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// A row of a newer version is changed by nobody who does not know it, who says so.
func TestNewerRowsAreLeftAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		e := w.editor()
		for name, c := range map[string]struct {
			state  dispatch.State
			change func(context.Context, string) (dispatch.Task, error)
		}{
			"cancel": {dispatch.Scheduled, e.Cancel},
			"retry":  {dispatch.Exhausted, e.Retry},
			"skip":   {dispatch.Held, e.Skip},
			"reschedule": {dispatch.Scheduled, func(ctx context.Context, id string) (dispatch.Task, error) {
				return e.Reschedule(ctx, id, time.Now().Add(time.Hour))
			}},
		} {
			w.put("of-"+name, "")
			row := w.get("of-" + name)
			row.ID, row.State, row.Version = name, c.state, dispatch.FormatVersion+1
			w.store.Put(w.Context(), time.Now(), []dispatch.Task{row})
			before := w.get(name)
			if _, err := c.change(w.Context(), name); !errors.Is(err, dispatch.ErrNewer) {
				t.Errorf("%s: %v, want %v", name, err, dispatch.ErrNewer)
			}
			if got := w.get(name); !reflect.DeepEqual(got, before) {
				t.Errorf("%s: %+v, want %+v", name, got, before)
			}
		}
	})
}
