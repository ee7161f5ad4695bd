// Command handle is the Lambda function that makes calls: its event is {"hints": [{"id", "queue", "dueAt"}]}.
package main

import (
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"example.com/dispatch/functions/internal/headersecret"
	"example.com/dispatch/functions/internal/signingkey"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/eventbus"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/target"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() { wiring.Start(build) }

func build(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
	client, services := newClient(e.Egress(), e), newClient(egress.Options{AllowedNetworks: egress.Everywhere()}, e)
	aws := &target.AWS{Lambda: e.Calling(wiring.Lambda, services), StepFunctions: e.Calling(wiring.StepFunctions, services)}
	store := e.Store(e.TasksPerHandle)
	f := &function{client: client, aws: aws, signer: signingkey.New(e, e.TasksPerHandle).Signer, verb: dispatch.Handle{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, settingsAge), Rule: rule.Allows, Retention: e.Retention,
		Circuits: &dispatch.Circuits{Store: store, Now: time.Now, Age: circuitsAge, Token: rand.Text, Chance: mathrand.Float64, Log: log},
		Now:      time.Now, Token: rand.Text, Chance: mathrand.Float64, Log: log,
	}, checkURI: dispatch.URICheck(len(e.AllowedNetworks) > 0, egress.NewCheck(e.Egress()))}
	if secrets := headersecret.New(e); secrets != nil {
		f.secret = secrets.Value
	}
	if e.EventBus != "" {
		f.verb.Notify = eventbus.New(*e.Calling(wiring.EventBridge, services), e.EventBus, log).Notify
	}
	return f, nil
}
