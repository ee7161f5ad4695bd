package api

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func (a API) cancel(w http.ResponseWriter, r *http.Request) {
	t, err := a.Engine.Editor.Cancel(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		a.fail(w, r, err)
	case !t.State.Final():
		a.answerTask(w, r, http.StatusAccepted, t)
	default:
		a.answerTask(w, r, http.StatusOK, t)
	}
}

func (a API) retry(w http.ResponseWriter, r *http.Request) {
	t, err := a.Engine.Editor.Retry(r.Context(), r.PathValue("id"))
	a.edited(w, r, t, err)
}

func (a API) skip(w http.ResponseWriter, r *http.Request) {
	t, err := a.Engine.Editor.Skip(r.Context(), r.PathValue("id"))
	a.edited(w, r, t, err)
}

func (a API) reschedule(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	at, err := a.dueAt(text)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	t, err := a.Engine.Editor.Reschedule(r.Context(), r.PathValue("id"), at)
	a.edited(w, r, t, err)
}

func (a API) edited(w http.ResponseWriter, r *http.Request, t dispatch.Task, err error) {
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.answerTask(w, r, http.StatusOK, t)
}

// maxDelay is ten years in seconds, as enqueue has it.
const maxDelay = 10 * 365 * 24 * 3600

// dueAt reads {"dueAt": time or Unix seconds} or {"delay": seconds}.
func (a API) dueAt(text []byte) (at time.Time, err error) {
	invalid := &dispatch.InvalidInput{}
	fault := func(pointer, detail string) {
		invalid.Faults = append(invalid.Faults, dispatch.Fault{Detail: detail, Pointer: "#" + pointer})
	}
	var fields map[string]jsontext.Value
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		fault("", "must be an object with dueAt or delay")
		return at, invalid
	}
	for name, v := range fields {
		switch name {
		case "dueAt":
			if at = instant(v); at.IsZero() {
				fault("/dueAt", "must be Unix seconds or a time such as 2026-01-31T12:00:00Z (RFC 3339)")
			}
		case "delay":
			n, err := strconv.ParseFloat(string(v), 64)
			if err != nil || n < 0 || n > maxDelay {
				fault("/delay", "must be a number of seconds from 0 to "+strconv.Itoa(maxDelay))
			}
			at = a.Now().Add(time.Duration(n * float64(time.Second)))
		default:
			fault(string(jsontext.Pointer("").AppendToken(name)), "is not known here; there are dueAt and delay")
		}
	}
	if len(invalid.Faults) == 0 && len(fields) != 1 {
		fault("", "give dueAt or delay, one of them")
	}
	if len(invalid.Faults) > 0 {
		return at, invalid
	}
	return at, nil
}

// instant reads a time, the zero one if it is none.
func instant(v jsontext.Value) time.Time {
	if n, err := strconv.ParseFloat(string(v), 64); err == nil && n >= 1 && n < 1e11 {
		return dispatch.FromMillis(int64(math.Ceil(n * 1000)))
	}
	var t time.Time
	if json.Unmarshal(v, &t) != nil || t.Unix() < 0 {
		return time.Time{}
	}
	return t
}
