package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// call is what the receiver notes of one request.
type call struct {
	Key        string // the Idempotency-Key
	Attempt    int
	Generation int64     // as signed
	By         string    // the issuer of the signature: which process sent it
	Begun      time.Time // when it had been read
	Ended      time.Time // when it was answered; zero: it is not yet
	Status     int       // 0: it hung up instead
}

// receiver keeps a journal of all requests. How it answers is in their path: see the constants.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	journal []call
	open    int // requests that are not answered
}

// The paths of a receiver.
const (
	answers  = "/ok"    // at once
	dawdles  = "/slow"  // after some time
	fails    = "/fails" // 500 to the first attempt
	hangsUp  = "/cuts"  // nothing to the first attempt: it closes the connection
	dawdling = 60 * time.Millisecond
)

// attemptsAt is how many attempts a task takes there.
func attemptsAt(path string) int {
	if path == fails || path == hangsUp {
		return 2
	}
	return 1
}

func newReceiver() *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	return r
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	c := call{Key: request.Header.Get("Idempotency-Key")}
	c.Attempt, _ = strconv.Atoi(request.Header.Get("Dispatch-Attempt")) // 0 shows as a violation
	c.By, c.Generation = signedBy(request.Header.Get("Dispatch-Signature"))
	io.Copy(io.Discard, request.Body) // whoever is killed while sending has not called
	c.Begun = time.Now()
	r.mu.Lock()
	r.open++
	n := len(r.journal)
	r.journal = append(r.journal, c)
	r.mu.Unlock()
	path, first := request.URL.Path, c.Attempt <= 1
	status := http.StatusOK
	switch {
	case path == dawdles:
		time.Sleep(dawdling)
	case path == fails && first:
		status = http.StatusInternalServerError
	case path == hangsUp && first:
		status = 0
	}
	r.mu.Lock()
	r.open--
	r.journal[n].Status, r.journal[n].Ended = status, time.Now()
	r.mu.Unlock()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// calls returns the journal so far, in the order in which requests came.
func (r *receiver) calls() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.journal...)
}

// inFlight returns how many requests are not answered.
func (r *receiver) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// senders returns who made the calls that are not answered.
func (r *receiver) senders() (by []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, open := len(r.journal)-1, r.open; n >= 0 && open > 0; n-- {
		if c := r.journal[n]; c.Ended.IsZero() {
			by = append(by, c.By)
			open--
		}
	}
	return by
}

// signedBy reads the issuer and the generation of a signature, which it does not verify.
func signedBy(token string) (issuer string, generation int64) {
	var claims struct {
		Issuer     string `json:"iss"`
		Generation int64  `json:"generation"`
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(text, &claims) == nil {
			return claims.Issuer, claims.Generation
		}
	}
	return "", 0
}
