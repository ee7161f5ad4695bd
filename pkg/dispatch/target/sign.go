package target

import (
	"context"
	"net/http"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

// sign puts the signatures of a call into its header, as the signer's mode has it.
func (h HTTP) sign(ctx context.Context, header header, r *http.Request, c dispatch.Call, body []byte) error {
	signer := sender(ctx, h.Signer, c)
	if signer.SignsJWT() {
		token, err := signer.SignCallTo(r.URL, signature.Call{
			Task: c.Task.ID, Attempt: c.Attempt, Generation: c.Task.Generation, Method: r.Method,
		}, body, c.Timeout)
		if err != nil {
			return err
		}
		header.set(signature.Header, token)
	}
	w, ok, err := signer.SignWebhookTo(r.URL, c.IdempotencyKey(), body)
	if err != nil || !ok {
		return err
	}
	header.set(signature.WebhookID, w.ID)
	header.set(signature.WebhookTimestamp, w.Timestamp())
	header.set(signature.WebhookSignature, w.Signature)
	return nil
}
