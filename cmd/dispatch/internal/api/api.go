// Package api is the server's JSON API. Errors are problem details (RFC 9457).
//
//	POST   /tasks             one task: 201 with its receipt, 200 if the same task is there already, 409 if
//	                          another is; {"tasks": […]}: 200 with all receipts, 207 if any of them has an error
//	GET    /tasks             {"tasks": […]}, by ?state=, ?queue=, ?limit= (1–1000, 100 unless given)
//	GET    /tasks/{id}        one task
//	DELETE /tasks/{id}        cancels it; 409 while it may be in flight, or when it has ended
//	POST   /tasks/{id}/retry  runs it again; 409 unless it has ended
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
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/schema"
	"github.com/oklog/ulid/v2"
)

const (
	maxBody = 8 << 20 // bytes: a thousand tasks of some KB
	// answerTime bounds what a request waits for the store.
	answerTime = 30 * time.Second
)

// API answers for the tasks of an engine.
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
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		problem.Status(w, http.StatusRequestEntityTooLarge, "a request is at most 8 MB; send several")
		return
	}
	if err != nil {
		problem.Status(w, http.StatusBadRequest, "the body could not be read")
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
	answer(w, http.StatusOK, view.New(found.Task, a.Now()))
}

func (a API) cancel(w http.ResponseWriter, r *http.Request) {
	t, err := a.Engine.Editor.Cancel(r.Context(), r.PathValue("id"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, view.New(t, a.Now()))
}

func (a API) retry(w http.ResponseWriter, r *http.Request) {
	t, err := a.Engine.Editor.Retry(r.Context(), r.PathValue("id"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.Engine.Offer(r.Context(), []dispatch.Hint{t.Hint()}) // dropped where nobody is free
	answer(w, http.StatusOK, view.New(t, a.Now()))
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
	switch {
	case errors.Is(err, dispatch.ErrNotFound):
		problem.Status(w, http.StatusNotFound, "there is no such task")
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
