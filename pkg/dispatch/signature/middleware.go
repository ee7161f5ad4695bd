package signature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	defaultMaxBody = 1 << 20 // bytes
	// longest is how long a signature is valid at most: an attempt of ten minutes, and the margin.
	longest = 10*time.Minute + Margin
)

// Middleware lets calls through to a handler that are signed, for this receiver, as they stand, and for the first time. What it
// refuses it answers with problem details (RFC 9457):
//
//	401  not signed, or the signature is not true of the call: the detail says why
//	409  seen before ([ErrReplayed]), or overtaken by a later call for the same task and target ([ErrStale])
//	413  the body is longer than MaxBody
//	503  the keys cannot be had, the verifier is not configured, or the memory fails or is full
//
// dispatch takes each for a failure of the attempt, and makes the next one, with a new signature, when it is due. So a call whose
// answer was lost comes again and is let through: Idempotency-Key tells that it is the same call. A signature that is
// seen twice was copied, or sent again by something on the way, which does not know what became of the first: then 409 makes
// for one more attempt, where a success might hide that the call was never handled. So that it does where a task counts 409
// as success, too, Dispatch-Outcome says it. The answer to an overtaken call changes nothing: the attempt that overtook it
// decides.
type Middleware struct {
	Verifier Verifier
	// Keys gives the keys instead of Verifier.Keys; again is set where a call names one that they do not have. See [PublishedKeys].
	Keys    func(ctx context.Context, again bool) (JWKS, error)
	Memory  Memory // remembers what was let through; nil: nothing is refused with 409
	MaxBody int64  // bytes; 0: 1 MB
}

// Memory remembers calls, so that none is handled twice. One that several processes share keeps all of them from it.
type Memory interface {
	// Remember keeps a call's ID, and its Generation as the highest for its Task, Method and URL, until a time after which no
	// older signature is valid. It answers [ErrReplayed] and keeps nothing if it has the ID, [ErrStale] if it has a higher
	// generation. Both happen in one step: of two equal calls at once one is remembered and the other refused.
	Remember(ctx context.Context, c Call, until time.Time) error
}

// Why a verified call was not let through.
var (
	ErrReplayed = errors.New("call seen before")
	ErrStale    = errors.New("call overtaken by a later one")
)

type callKey struct{}

// CallFrom returns the verified call of a request that [Middleware] let through, from the request's context.
func CallFrom(ctx context.Context) (c Call, ok bool) {
	c, ok = ctx.Value(callKey{}).(Call)
	return c, ok
}

// Handler returns next behind the middleware. It reads the body before next does.
func (m Middleware) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, call, refusal := m.check(w, r)
		if refusal != nil {
			refusal.write(w)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, call))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (m Middleware) check(w http.ResponseWriter, r *http.Request) ([]byte, Call, *refusal) {
	if len(r.Header.Values(Header)) == 0 {
		return nil, Call{}, refuse(http.StatusUnauthorized, ErrMissing) // before its body is read
	}
	most := m.MaxBody
	if most == 0 {
		most = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return nil, Call{}, refuse(http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes", most))
		}
		return nil, Call{}, refuse(http.StatusBadRequest, errors.New("the body cannot be read"))
	}
	call, err := m.verify(r, body)
	if err == nil && m.Memory != nil {
		err = m.Memory.Remember(r.Context(), call, m.until(call))
	}
	return body, call, refusalOf(err)
}

// verify asks for the keys again where the call names one that they do not have.
func (m Middleware) verify(r *http.Request, body []byte) (Call, error) {
	if m.Keys == nil {
		return m.Verifier.VerifyRequest(r, body)
	}
	var call Call
	err := ErrUnknownKey
	for _, again := range []bool{false, true} {
		if !errors.Is(err, ErrUnknownKey) {
			break
		}
		v := m.Verifier
		if v.Keys, err = m.Keys(r.Context(), again); err != nil {
			return Call{}, err
		}
		call, err = v.VerifyRequest(r, body)
	}
	return call, err
}

// until is when a call can be forgotten: its own signature, and that of any call that it overtook, is no longer valid then.
func (m Middleware) until(c Call) time.Time {
	until := c.SignedAt.Add(longest)
	if c.ExpiresAt.After(until) {
		until = c.ExpiresAt
	}
	return until.Add(Margin + m.Verifier.Leeway) // signed by clocks that disagree
}

// refusal is a problem (RFC 9457).
type refusal struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func refuse(status int, why error) *refusal {
	return &refusal{Title: http.StatusText(status), Status: status, Detail: why.Error()}
}

// refusalOf says what an error is for the caller: no more of it than which one it is.
func refusalOf(err error) *refusal {
	if err == nil {
		return nil
	}
	for _, why := range []error{ErrReplayed, ErrStale} {
		if errors.Is(err, why) {
			return refuse(http.StatusConflict, why)
		}
	}
	for _, why := range []error{
		ErrMissing, ErrOversized, ErrDuplicate, ErrMalformed, ErrType, ErrAlgorithm, ErrUnknownKey, ErrSignature,
		ErrExpired, ErrNotYetValid, ErrIssuer, ErrAudience, ErrMethod, ErrURL, ErrBody,
	} {
		if errors.Is(err, why) {
			return refuse(http.StatusUnauthorized, why)
		}
	}
	return refuse(http.StatusServiceUnavailable, errors.New("the call cannot be checked now"))
}

func (p *refusal) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusConflict {
		h.Set("Dispatch-Outcome", `retry;reason="`+p.Detail+`"`)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Header) // required (RFC 9110, section 15.5.2)
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // the client has gone if this fails
}
