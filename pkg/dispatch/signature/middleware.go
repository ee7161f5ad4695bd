package signature

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// longest is how long a signature is valid at most: an attempt of ten minutes, and the margin.
const longest = 10*time.Minute + Margin

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
	return guard{Header, m.MaxBody, m.check}.handler(next)
}

func (m Middleware) check(r *http.Request, body []byte) (context.Context, error) {
	call, err := m.verify(r, body)
	if err == nil && m.Memory != nil {
		err = m.Memory.Remember(r.Context(), call, m.until(call))
	}
	return context.WithValue(r.Context(), callKey{}, call), err
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
