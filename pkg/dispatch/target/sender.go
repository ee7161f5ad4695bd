package target

import (
	"context"
	"errors"

	"example.com/dispatch/pkg/dispatch"
)

// Sender sends each call to where its task goes, a URL or an ARN.
type Sender struct {
	HTTP HTTP // its signer makes the JWTs of claims for ARNs too
	AWS  *AWS // nil: calls to ARNs are not sent
}

var errNotAllowed = errors.New("goes where the task's tenant may not call")

// Send makes one call, as [HTTP.Send] does.
func (s Sender) Send(ctx context.Context, c dispatch.Call) dispatch.Answer {
	switch {
	case c.AllowedHosts.Check(c.Doc.URI) != nil: // dispatch.Handle asks before, and ends the task: nothing gets past both
		return unanswered(ctx, c.Timeout, errNotAllowed)
	case !dispatch.IsARN(c.Doc.URI):
		return s.HTTP.Send(ctx, c)
	case s.AWS == nil:
		return unanswered(ctx, c.Timeout, errNotCalled)
	default:
		return s.AWS.send(ctx, c, s.HTTP.Signer)
	}
}
