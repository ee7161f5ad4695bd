package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/signature"
	"example.com/dispatch/pkg/dispatch/target"
)

// The types of this function's errors. All its tasks come again with the next sweep.
const (
	invalidInput = "InvalidInput" // the event is not {"hints": […]}
	noSigningKey = "NoSigningKey" // nothing was claimed
	handleFailed = "HandleFailed" // the store failed for some
)

const (
	settingsAge = 30 * time.Second // how late a handle may learn that a queue is paused
	circuitsAge = 10 * time.Second // and that others have seen a receiver fail
)

// newClient returns a client for all the calls of one run. A kept connection freezes between runs.
func newClient(o egress.Options, e wiring.Environment) *http.Client {
	o.Workers, o.DisableKeepAlives = e.TasksPerHandle, true
	return egress.New(o)
}

// function claims, calls and settles what its event hints at. It answers {}.
type function struct {
	verb   dispatch.Handle
	client *http.Client
	aws    *target.AWS
	signer func(context.Context) (*signature.Signer, error)
	secret func(ctx context.Context, name string) (string, error) // what a header says that is a secret; nil: there are none

	checkURI func(uri string) error // says why a redirect does not lead there
}

// Invoke implements lambda.Handler.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var e struct {
		Hints []dispatch.Hint `json:"hints"`
	}
	if err := json.Unmarshal(event, &e); err != nil || len(e.Hints) == 0 {
		return nil, wiring.Failure(invalidInput, `the event must be {"hints": [{"id": "…"}]}`)
	}
	signer, err := f.signer(ctx) // before any claim: without a key no call can be made, so none may be counted
	if err != nil {
		return nil, wiring.Failure(noSigningKey, err.Error())
	}
	verb := f.verb
	http := target.HTTP{Client: f.client, Signer: signer, Secret: f.secret, CheckURI: f.checkURI, Now: f.verb.Now}
	verb.Send = target.Sender{HTTP: http, AWS: f.aws}.Send
	if err := verb.Run(ctx, e.Hints); err != nil {
		return nil, wiring.Failure(handleFailed, err.Error())
	}
	return []byte("{}"), nil
}
