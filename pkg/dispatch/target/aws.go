package target

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

// AWS sends calls to Lambda functions and state machines, signed with AWS's credentials; whoever may enqueue chooses
// among those that the credentials allow. There is one for a process, because it remembers what it learned of state
// machines. It is safe for concurrent use.
type AWS struct {
	// Lambda and StepFunctions say how the services are called: with which credentials and which HTTP client, which
	// follows no redirects and has no timeout of its own, and where, if not at AWS's own endpoint. The region is the
	// target's. A service that is nil is not called.
	Lambda, StepFunctions *aws.Config

	Now func() time.Time // nil: time.Now

	standard sync.Map // the state machines that are known to be standard, by their ARNs without a version or an alias
}

var errNotCalled = errors.New("functions and state machines are not called here")

// maxPayload is how much of a function's answer is read, in bytes.
const maxPayload = 1 << 20

// send makes one call. As with HTTP, the call's timeout is one deadline over all of it.
func (w *AWS) send(ctx context.Context, c dispatch.Call, signer *signature.Signer) dispatch.Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	arn, err := dispatch.ParseARN(c.Doc.URI)
	if err != nil {
		return dispatch.Answer{Error: errURI.Error()}
	}
	body, err := payload(ctx, c, signer)
	if err != nil {
		return unanswered(ctx, c.Timeout, err)
	}
	call, config := w.start, w.StepFunctions
	if arn.Service == dispatch.LambdaService {
		call, config = w.invoke, w.Lambda
	}
	if config == nil {
		return unanswered(ctx, c.Timeout, errNotCalled)
	}
	there := *config
	there.Region = arn.Region
	return call(ctx, c, arn, signed.New(there, arn.Service), body)
}

// payload returns what a call sends, always JSON: the envelope, or raw the body, which is {} if there is none; a JWT of
// claims is a string.
func payload(ctx context.Context, c dispatch.Call, signer *signature.Signer) ([]byte, error) {
	token, err := token(ctx, c, signer)
	switch {
	case err != nil:
		return nil, err
	case c.Doc.Format != dispatch.Raw:
		return envelope(c, token), nil
	case token != "":
		return []byte(`"` + token + `"`), nil
	case len(c.Doc.Body) == 0:
		return []byte("{}"), nil
	default:
		return c.Doc.Body, nil
	}
}

// reply is what a service answered.
type reply struct {
	status int
	header http.Header
	body   []byte // at most maxPayload
	cut    bool   // there was more
}

func (r reply) ok() bool { return 200 <= r.status && r.status <= 299 }

// post sends one request. If no answer comes, failed says why; otherwise it is nil.
func post(ctx context.Context, c dispatch.Call, client *signed.Client, path string, header http.Header, body []byte) (r reply, failed *dispatch.Answer) {
	header.Set("User-Agent", userAgent)
	response, err := client.Do(ctx, path, header, body)
	if err != nil {
		none := unanswered(ctx, c.Timeout, err)
		return r, &none
	}
	defer response.Body.Close()
	r = reply{status: response.StatusCode, header: response.Header}
	if r.body, err = io.ReadAll(io.LimitReader(response.Body, maxPayload+1)); err != nil {
		return r, &dispatch.Answer{Error: brokenOff(ctx, c.Timeout, err)}
	}
	if r.cut = len(r.body) > maxPayload; r.cut {
		r.body = r.body[:maxPayload]
	}
	return r, nil
}

// answer returns what the codes can judge. Of an error of the service itself, as opposed to one of what runs there, it
// says which it is; one that throttles has status 429, whatever the service's own is.
func (w *AWS) answer(c dispatch.Call, r reply) dispatch.Answer {
	a := dispatch.Answer{Status: r.status}
	if c.Doc.OnFailure != nil || c.Doc.OnSuccess != nil {
		a.Body = string(r.body[:min(len(r.body), keptAnswer)])
	}
	if r.ok() {
		return a
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	a.RetryAfter = retryAfter(r.header.Get("Retry-After"), now())
	kind, message := r.fault()
	a.Reason = line(strings.Trim(kind+": "+message, ": "))
	if throttles(kind) {
		a.Status = http.StatusTooManyRequests
	}
	if a.Status == http.StatusTooManyRequests || a.Status >= 500 { // nothing is wrong with the task, whatever its stop codes are
		a.Said = dispatch.OutcomeRetry
		if c.Doc.WaitCodes.Has(a.Status) {
			a.Said = dispatch.OutcomeWait
		}
	}
	return a
}

// throttles reports whether an error of this kind means "too many at once": Step Functions says so with status 400.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html#API_StartExecution_Errors
func throttles(kind string) bool {
	switch kind {
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "ExecutionLimitExceeded":
		return true
	default:
		return false
	}
}

// fault reads an error as the services write it: its kind in a header or in __type, either with something around it.
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization
func (r reply) fault() (kind, message string) {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message
	}
	if json.Unmarshal(r.body, &e) != nil {
		e.Message = string(r.body)
	}
	if kind = r.header.Get("X-Amzn-Errortype"); kind == "" {
		kind = e.Type
	}
	kind, _, _ = strings.Cut(kind, ":")
	if _, name, ok := strings.Cut(kind, "#"); ok {
		kind = name
	}
	return kind, e.Message
}
