package dynamo_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/storetest/linear"
)

// TestLinearizable also loses answers on the way from the server: the store makes such requests again.
func TestLinearizable(t *testing.T) {
	linear.Run(t, dynamo.Store{Client: server.Client(t, unreliable{}), Table: server.Table(t)}, 20)
}

// unreliable loses one answer in ten.
type unreliable struct{}

func (unreliable) RoundTrip(req *http.Request) (*http.Response, error) {
	send := func() (*http.Response, error) { return http.DefaultTransport.RoundTrip(req) }
	if rand.IntN(10) > 0 {
		return send()
	}
	linear.Repeated(req.Context())
	return dynamotest.Lost(nil)(req.Context(), send)
}
