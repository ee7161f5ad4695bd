// Package invocation answers Lambda's Invoke API for the three functions, so that the AWS command line and
// every AWS SDK with another endpoint can use this process in place of Lambda.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
package invocation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/internal/function"
)

// Pattern is the route that [Handler] answers.
const Pattern = "POST /2015-03-31/functions/{function}/invocations"

// Lambda's limits on an event, in bytes.
const (
	maxSync  = 6 << 20
	maxAsync = 1 << 20
)

// answerTime is how long an invocation may take: what Lambda gives a function at most.
const answerTime = 15 * time.Minute

// Handler invokes the functions of an engine.
type Handler struct {
	Engine *engine.Engine
	Log    *slog.Logger
}

// invoked answers an event; its own errors are each a *function.Error.
type invoked func(ctx context.Context, requestID string, event []byte) ([]byte, error)

// ServeHTTP implements [http.Handler].
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := newRequestID()
	w.Header().Set("x-amzn-RequestId", requestID)
	f, ok := h.find(r.PathValue("function"))
	if !ok {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+r.PathValue("function"))
		return
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	most := int64(maxSync)
	switch kind {
	case "", "RequestResponse", "DryRun":
	case "Event":
		most = maxAsync
	default:
		refuse(w, http.StatusBadRequest, "InvalidParameterValueException", "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun")
		return
	}
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the event is over "+strconv.FormatInt(most, 10)+" bytes")
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "the event could not be read")
		return
	}
	if len(event) == 0 {
		event = []byte("{}") // as Lambda does
	}
	if !json.Valid(event) {
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	switch kind {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		h.event(w, r, f, requestID, event)
	default:
		h.call(w, r, f, requestID, event)
	}
}

func (h Handler) find(name string) (invoked, bool) {
	switch functionName(name) {
	case "EnqueueFunction":
		return h.enqueue, true
	case "SweepFunction":
		return h.sweep, true
	case "HandleFunction":
		return h.handle, true
	}
	return nil, false
}

// functionName returns the bare name of Name, Name:qualifier, account:function:Name, and of an ARN, each with
// or without a qualifier.
func functionName(s string) string {
	if _, name, ok := strings.Cut(s, ":function:"); ok {
		s = name
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}

// call answers once the function has ended.
func (h Handler) call(w http.ResponseWriter, r *http.Request, f invoked, requestID string, event []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	// A call may take longer than the server gives an answer.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime + time.Minute)); err != nil {
		h.Log.LogAttrs(ctx, slog.LevelDebug, "no longer write deadline", slog.Any("error", err))
	}
	answer, err := f(ctx, requestID, event)
	header := w.Header()
	header.Set("X-Amz-Executed-Version", "$LATEST")
	if err != nil {
		own, ok := errors.AsType[*function.Error](err)
		if !ok {
			own = &function.Error{Message: err.Error(), Type: "Error"}
		}
		if answer, err = json.Marshal(own); err != nil {
			refuse(w, http.StatusInternalServerError, "ServiceException", "the function's error could not be encoded")
			return
		}
		header.Set("X-Amz-Function-Error", "Unhandled")
	}
	header.Set("Content-Type", "application/json")
	w.Write(answer) // the client has gone if this fails
}

// event answers 202 once the event cannot be lost: tasks are on the disk by then. The function's own errors
// are not the caller's to see, except that nothing was stored: then the caller must keep the event.
func (h Handler) event(w http.ResponseWriter, r *http.Request, f invoked, requestID string, event []byte) {
	_, err := f(r.Context(), requestID, event)
	if own, ok := errors.AsType[*function.Error](err); ok && own.Type != function.NotStored {
		h.Log.LogAttrs(r.Context(), slog.LevelWarn, "an event's function failed", slog.String("request", requestID),
			slog.String("function", functionName(r.PathValue("function"))), slog.String("type", own.Type), slog.String("error", own.Message))
		err = nil
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// refuse answers with an error of Lambda itself.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	who := "User"
	if status >= 500 {
		who = "Service"
	}
	w.Header().Set("x-amzn-ErrorType", kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct{ Type, Message string }{who, message}) // the client has gone if this fails
}

// newRequestID returns a random UUID, as Lambda's request ids are.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	const digits = "0123456789abcdef"
	id := make([]byte, 0, 36)
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			id = append(id, '-')
		}
		id = append(id, digits[c>>4], digits[c&0xf])
	}
	return string(id)
}
