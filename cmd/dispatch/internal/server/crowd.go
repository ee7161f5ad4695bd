package server

import (
	"cmp"
	"net/http"

	"example.com/dispatch/cmd/dispatch/internal/problem"
)

// maxRequests are answered at once, unless the options say otherwise: each may hold 8 MB, and each that waits for the disk lets
// all others wait longer.
const maxRequests = 1024

// crowd refuses requests while as many as may be are being answered: those who ask again find out sooner than those who wait.
// Health is told all the same.
func (o Options) crowd(next http.Handler) http.Handler {
	places := make(chan struct{}, cmp.Or(o.Requests, maxRequests))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != healthPath {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
			default:
				w.Header().Set("Retry-After", "1")
				problem.Status(w, http.StatusServiceUnavailable, "too many requests at once")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
