//go:build sam

package functions_test

import (
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch/signature"
)

// port is the one that the event files call.
const port = "8701"

// call is one that arrived.
type call struct {
	at                        time.Time
	method, path, id, attempt string
	header                    http.Header
	body                      []byte
	signed                    signature.Call
	signature                 error // what is wrong with it
}

// receiver is where the tasks go. It answers each path with its statuses, one after another.
type receiver struct {
	mu       sync.Mutex
	statuses map[string][]int
	outcomes map[string][]string // of Dispatch-Outcome, beside the statuses
	verifier signature.Verifier
	got      []call
}

// newReceiver listens on the address that containers call this machine by.
func newReceiver(t *testing.T, statuses map[string][]int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	serve(t, port, r)
	return r
}

// serve serves until the test ends, on the address that containers call this machine by, and returns the port.
func serve(t *testing.T, port string, handler http.Handler) string {
	t.Helper()
	address, err := samlocal.Address()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		t.Fatalf("listening where containers call: %v", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func (r *receiver) verifyWith(key signature.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifier = signature.Verifier{
		Keys: signature.JWKS{Keys: []signature.JWK{key.Public()}}, Issuer: "dispatch", Origin: "http://" + samlocal.Host + ":" + port,
	}
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := call{
		at: time.Now(), method: request.Method, path: request.URL.RequestURI(), header: request.Header, body: body,
		id: request.Header.Get("Idempotency-Key"), attempt: request.Header.Get("Dispatch-Attempt"),
	}
	c.signed, c.signature = r.verifier.VerifyRequest(request, body)
	r.got = append(r.got, c)
	status := http.StatusTeapot
	if left := r.statuses[c.path]; len(left) > 0 {
		status, r.statuses[c.path] = left[0], left[1:]
	}
	if left := r.outcomes[c.path]; len(left) > 0 {
		w.Header().Set("Dispatch-Outcome", left[0])
		r.outcomes[c.path] = left[1:]
	}
	w.WriteHeader(status)
}

// answers has the receiver answer more paths.
func (r *receiver) answers(statuses map[string][]int, outcomes map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.statuses, statuses)
	r.outcomes = outcomes
}

// at returns the calls of a path.
func (r *receiver) at(path string) []call {
	var calls []call
	for _, c := range r.all() {
		if c.path == path {
			calls = append(calls, c)
		}
	}
	return calls
}

func (r *receiver) all() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.got...)
}
