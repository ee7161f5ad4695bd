// Package target makes the calls: it turns a task's attempt into a request, and what came of it into an
// answer. One call of Send puts at most one request on the wire, besides those to which redirects lead that the task
// follows, and before it, where a state machine is not known yet, one that only asks what it is.
package target

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

// maxAnswer is how much of an answer's body is read, in bytes; the rest is dropped, and the connection with it.
const maxAnswer = 64 << 10

// keptAnswer is how much of it is kept for a callback, in bytes.
const keptAnswer = 1 << 10

// HTTP sends calls to http: and https: targets. It is safe for concurrent use.
type HTTP struct {
	// Client must follow no redirects and have no timeout of its own, as package egress makes it.
	Client *http.Client
	// Signer signs every call and the claims of those that have some; nil: calls are not signed, and
	// those with claims are not sent.
	Signer *signature.Signer
	// Secret looks up what a header that is a secret says; nil: there are none. Its errors tell no values, and are shown.
	Secret func(ctx context.Context, name string) (string, error)
	// CheckURI says why a redirect does not lead to a URL, as a [dispatch.URICheck] made with the client's options does;
	// nil: no redirect is followed.
	CheckURI func(uri string) error
	Now      func() time.Time // nil: time.Now
}

// errTimeout is the cause of a context that ends with the call's own timeout.
var errTimeout = errors.New("timeout")

// Send makes one call, and follows as many redirects as its task allows. The call's timeout is one deadline over all of it:
// the names, the connections, the requests, and the answer with its body. There is an answer only if its body was read, up
// to 64 KB.
func (h HTTP) Send(ctx context.Context, c dispatch.Call) dispatch.Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	request, body, err := h.request(ctx, c)
	if err != nil {
		return unanswered(ctx, c.Timeout, err)
	}
	response, err := h.Client.Do(request)
	if err != nil {
		return unanswered(ctx, c.Timeout, err)
	}
	if c.Doc.Redirects == 0 {
		return h.answer(ctx, c, response)
	}
	way := course{call: c, body: body, called: []string{place(request)}}
	for {
		next, why, err := h.next(ctx, &way, request, response)
		if err == nil && next == nil {
			a := h.answer(ctx, c, response)
			a.Note = cmp.Or(a.Note, why)
			return a
		}
		drop(response)
		if request = next; err == nil {
			response, err = h.Client.Do(request)
		}
		if err != nil {
			return dispatch.Answer{Error: line(afterRedirect + failure(ctx, c.Timeout, err))}
		}
	}
}

// answer reads what came of a call, and closes it.
func (h HTTP) answer(ctx context.Context, c dispatch.Call, response *http.Response) dispatch.Answer {
	defer response.Body.Close()
	a := dispatch.Answer{Status: response.StatusCode}
	if response.Body != http.NoBody {
		var kept bytes.Buffer
		var beginning io.Writer = io.Discard
		if c.Doc.OnFailure != nil || c.Doc.OnSuccess != nil {
			beginning = &kept
		}
		_, err := io.CopyN(beginning, response.Body, keptAnswer)
		if err == nil {
			_, err = io.CopyN(io.Discard, response.Body, maxAnswer-keptAnswer)
		}
		if err != nil && err != io.EOF {
			return dispatch.Answer{Error: brokenOff(ctx, c.Timeout, err)}
		}
		a.Body = kept.String()
	}
	if wait := response.Header["Retry-After"]; len(wait) > 0 {
		a.RetryAfter = retryAfter(wait[0], h.now())
	}
	if said := response.Header[OutcomeHeader]; len(said) > 0 {
		say(&a, said)
	}
	return a
}

func (h HTTP) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}
