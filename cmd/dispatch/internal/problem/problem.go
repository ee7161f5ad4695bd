// Package problem answers HTTP requests that failed, as RFC 9457 has it.
package problem

import (
	"encoding/json"
	"net/http"

	"example.com/dispatch/pkg/dispatch"
)

// Write answers with the problem and its status.
func Write(w http.ResponseWriter, p dispatch.Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // the client has gone if this fails
}

// Status answers with a problem that its status and a detail describe.
func Status(w http.ResponseWriter, status int, detail string) {
	Write(w, dispatch.Problem{Title: http.StatusText(status), Status: status, Detail: detail})
}
