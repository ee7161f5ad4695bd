// Package api is the server's JSON API. Errors are problem details (RFC 9457).
//
//	POST   /tasks             one task: 201 with its receipt, 200 if the same task is there already, 409 if
//	                          another is; {"tasks": […]}: 200 with all receipts, 207 if any of them has an error
//	GET    /tasks             {"tasks": […]}, by ?state=, ?queue=, ?identifier= (may be repeated), ?identified=true,
//	                          ?limit= (1–1000, 100 unless given)
//	GET    /tasks/{id}        one task, and why it has not run yet
//	DELETE /tasks/{id}        cancels it: 200; 202 if it is blocked, and ends at its turn; 409 while it may be in
//	                          flight, or when it has ended
//	POST   /tasks/{id}/retry  runs it again; 409 unless it has ended or is held
//	POST   /tasks/{id}/skip   ends a held one, so that its group goes on; 409 for any other
//	POST   /tasks/{id}/reschedule  {"dueAt": …} or {"delay": seconds}; 409 unless it is scheduled or blocked
//	GET    /settings          {"version", "queues"}; the version is the ETag too
//	PUT    /settings          the same, over the version that If-Match or the body names: 412 or 409 if that is
//	                          not the stored one, 428 if none is named
//	GET    /schema/{name}     task.json, settings.json or answer.json: the JSON Schemas
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/cmd/dispatch/internal/problem"
	"example.com/dispatch/cmd/dispatch/internal/why"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/schema"
	"github.com/oklog/ulid/v2"
)

const (
	maxBody = 8 << 20 // bytes: a thousand tasks of some KB
	// answerTime bounds what a request waits for the store.
	answerTime = 30 * time.Second
)

// API answers for the tasks and settings of an engine.
type API struct {
	Engine *engine.Engine
	Store  dispatch.Store
	Now    func() time.Time
	Log    *slog.Logger
}

// Register adds the API's routes.
func (a API) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /tasks", a.bounded(a.enqueue))
	mux.HandleFunc("GET /tasks", a.bounded(a.list))
	mux.HandleFunc("GET /tasks/{id}", a.bounded(a.show))
	mux.HandleFunc("DELETE /tasks/{id}", a.bounded(a.cancel))
	mux.HandleFunc("POST /tasks/{id}/retry", a.bounded(a.retry))
	mux.HandleFunc("POST /tasks/{id}/skip", a.bounded(a.skip))
	mux.HandleFunc("POST /tasks/{id}/reschedule", a.bounded(a.reschedule))
	mux.HandleFunc("GET /settings", a.bounded(a.settings))
	mux.HandleFunc("PUT /settings", a.bounded(a.apply))
	for _, name := range []string{"task.json", "settings.json", "answer.json"} {
		mux.Handle("GET /schema/"+name, http.StripPrefix("/schema/", http.FileServerFS(schema.Files())))
	}
}

func (a API) bounded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		h(w, r.WithContext(ctx))
	}
}

func (a API) enqueue(w http.ResponseWriter, r *http.Request) {
	input, ok := body(w, r)
	if !ok {
		return
	}
	receipts, err := a.Engine.Enqueue.Run(r.Context(), input, func(int) string { return ulid.Make().String() })
	if err != nil && !errors.Is(err, dispatch.ErrNotStored) {
		a.fail(w, r, err)
		return
	}
	if err != nil {
		a.Log.LogAttrs(r.Context(), slog.LevelError, "not stored", slog.Any("error", err))
	}
	if receipts.Batch {
		status := http.StatusOK
		for _, one := range receipts.Tasks {
			if one.Error != nil {
				status = http.StatusMultiStatus
			}
		}
		answer(w, status, receipts)
		return
	}
	one := receipts.Tasks[0]
	switch {
	case one.Error != nil:
		problem.Write(w, *one.Error)
	case one.Existing:
		answer(w, http.StatusOK, one)
	default:
		w.Header().Set("Location", "/tasks/"+one.ID)
		answer(w, http.StatusCreated, one)
	}
}

func (a API) show(w http.ResponseWriter, r *http.Request) {
	found := a.Store.Get(r.Context(), []string{r.PathValue("id")})[0]
	if found.Err != nil {
		a.fail(w, r, found.Err)
		return
	}
	a.answerTask(w, r, http.StatusOK, found.Task)
}

// body reads a request's body, or answers that it cannot.
func body(w http.ResponseWriter, r *http.Request) (text []byte, ok bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		problem.Status(w, http.StatusRequestEntityTooLarge, "a request is at most 8 MB; send several")
		return nil, false
	}
	if err != nil {
		problem.Status(w, http.StatusBadRequest, "the body could not be read")
		return nil, false
	}
	return text, true
}

// answerTask answers with a task, and why it has not run yet.
func (a API) answerTask(w http.ResponseWriter, r *http.Request, status int, t dispatch.Task) {
	shown, err := why.Shown(r.Context(), a.Store, a.Engine.Settings, t, a.Now())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer(w, status, shown)
}

// fail answers with the problem that an error of the engine or the store means.
func (a API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		problem.Write(w, invalid.Problem())
		return
	}
	if state, ok := errors.AsType[*dispatch.StateError](err); ok {
		problem.Status(w, http.StatusConflict, state.Error())
		return
	}
	if p, ok := dispatch.Unwritable(err); ok {
		a.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		problem.Write(w, p)
		return
	}
	switch {
	case errors.Is(err, dispatch.ErrNotFound):
		problem.Status(w, http.StatusNotFound, "there is no such task")
	case errors.Is(err, dispatch.ErrNewer):
		problem.Status(w, http.StatusConflict, "a newer version of dispatch has stored the task, and this one leaves it alone")
	case errors.Is(err, dispatch.ErrLeased):
		problem.Status(w, http.StatusConflict, "the task may be in flight at this moment; try again")
	default:
		a.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		problem.Status(w, http.StatusServiceUnavailable, "the store did not answer in time; try again")
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the client has gone if this fails
}
