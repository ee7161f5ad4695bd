package signature

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// WebhookMiddleware does for Standard Webhooks what [Middleware] does for Dispatch-Signature, with the same answers. As neither
// method nor URL is signed, a call counts as seen wherever it comes again. Attempts have the same webhook-id: they are told apart by
// webhook-timestamp, in seconds, and an attempt is overtaken by one that was signed later.
type WebhookMiddleware struct {
	Verifier WebhookVerifier
	Memory   Memory // remembers what was let through; nil: nothing is refused with 409
	MaxBody  int64  // bytes; 0: 1 MB
}

type webhookKey struct{}

// WebhookFrom returns the verified call of a request that [WebhookMiddleware] let through, from the request's context.
func WebhookFrom(ctx context.Context) (w Webhook, ok bool) {
	w, ok = ctx.Value(webhookKey{}).(Webhook)
	return w, ok
}

// Handler returns next behind the middleware. It reads the body before next does.
func (m WebhookMiddleware) Handler(next http.Handler) http.Handler {
	return guard{WebhookSignature, m.MaxBody, m.check}.handler(next)
}

func (m WebhookMiddleware) check(r *http.Request, body []byte) (context.Context, error) {
	w, err := m.Verifier.VerifyRequest(r, body)
	if err == nil && m.Memory != nil {
		at := w.At.Unix()
		seen := Call{ID: w.ID + "." + strconv.FormatInt(at, 10), Task: w.ID, Generation: at} // an id has no full stop
		err = m.Memory.Remember(r.Context(), seen, w.At.Add(m.Verifier.tolerance()+time.Second))
	}
	return context.WithValue(r.Context(), webhookKey{}, w), err
}
