package target

import (
	"strings"
	"testing"
)

// TestOneInvocationOnTheWire: a service that reads and hangs up was asked once, also on a connection that was in use.
func TestOneInvocationOnTheWire(t *testing.T) {
	for _, uri := range []string{function, machine} {
		for _, hangUp := range []string{"end", "reset"} {
			t.Run(uri+" "+hangUp, func(t *testing.T) {
				url, requests, connections := hangingUp(t, hangUp, "{}")
				to := atAWS(url)
				to.AWS.standard.Store(strings.TrimSuffix(machine, ":PROD"), true)
				if a := to.Send(t.Context(), callOf("POST", uri, "1")); a.Status != 200 {
					t.Fatalf("first call: %+v", a)
				}
				if a := to.Send(t.Context(), callOf("POST", uri, "1")); a.Status != 0 || a.Error == "" {
					t.Errorf("second call: %+v, want an error", a)
				}
				if requests.Load() != 2 || connections.Load() != 1 {
					t.Errorf("2 calls made %d requests on %d connections, want 2 on 1", requests.Load(), connections.Load())
				}
			})
		}
	}
}
