//go:build sam

package functions_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	killedID   = "handled-by-one-that-is-killed"
	heldAtMost = 10 * time.Second // the task's httpTimeout: time to find the container and to kill it
)

// killing is a task whose handle is killed while its receiver holds the call, and that receiver.
type killing struct {
	store    dispatch.Store
	services string // the port by which the chain's own containers are known
	url      string
	verifier signature.Verifier

	mu     sync.Mutex
	calls  []heldCall
	killed error // what came of it, once there is a call
}

// heldCall is one call, and what was in the table while it was held.
type heldCall struct {
	at      time.Time
	attempt string
	signed  signature.Call
	row     dispatch.Task
	err     error
}

// killHandle has a task handled and kills the container of handle in mid-call. Nothing else may be in flight.
func (c *chain) killHandle(s *services) *killing {
	c.t.Helper()
	k := &killing{store: c.system.Store, services: s.port}
	origin := "http://" + samlocal.Host + ":" + serve(c.t, "0", k)
	k.url = origin + "/"
	k.verifier = signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{c.system.Key.Public()}}, Issuer: "dispatch", Origin: origin}
	receipt := c.enqueue(c.file(fmt.Sprintf(`{"id":%q,"uri":%q,"httpTimeout":%d,"attempts":{"limit":1}}`, killedID, k.url, heldAtMost/time.Second)))[0]
	if receipt.State != dispatch.Scheduled || receipt.Existing {
		c.t.Errorf("receipt %+v, want it scheduled and new", receipt)
	}
	c.await("handle to be killed in mid-call", func() bool { return len(k.all()) > 0 }, func() string { return c.states(killedID) })
	if k.killed != nil {
		c.t.Fatal(k.killed)
	}
	if got := c.state(killedID); got != "leased" {
		c.t.Errorf("the task is %q after its handle was killed, want it leased", got)
	}
	return k
}

// ServeHTTP implements [http.Handler]: it kills whoever makes the first call, and takes the next.
func (k *killing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := heldCall{at: time.Now(), attempt: r.Header.Get("Dispatch-Attempt")}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		call.signed, err = k.verifier.VerifyRequest(r, body)
	}
	row := k.store.Get(r.Context(), []string{killedID})[0]
	call.row, call.err = row.Task, errors.Join(err, row.Err)
	if first := len(k.all()) == 0; !first {
		k.note(call, nil)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), heldAtMost) // killing it ends the request
	defer cancel()
	k.note(call, killContainer(ctx, samlocal.Handle, k.services))
	select {
	case <-r.Context().Done(): // its end closes the connection
	case <-time.After(heldAtMost):
	}
}

func (k *killing) note(c heldCall, killed error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls, k.killed = append(k.calls, c), errors.Join(k.killed, killed)
}

func (k *killing) all() []heldCall {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]heldCall(nil), k.calls...)
}

// killContainer kills the function's container: the one whose variables name this function and this port of the chain.
func killContainer(ctx context.Context, function, port string) error {
	ids, err := exec.CommandContext(ctx, "docker", "ps", "--quiet", "--no-trunc").Output()
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	for _, id := range strings.Fields(string(ids)) {
		variables, err := exec.CommandContext(ctx, "docker", "inspect", "--format", "{{json .Config.Env}}", id).Output()
		if err != nil {
			continue // it has ended meanwhile
		}
		if v := string(variables); !strings.Contains(v, `"AWS_LAMBDA_FUNCTION_NAME=`+function+`"`) || !strings.Contains(v, ":"+port+`"`) {
			continue
		}
		if out, err := exec.CommandContext(ctx, "docker", "kill", id).CombinedOutput(); err != nil {
			return fmt.Errorf("killing %s: %w: %s", id, err, out)
		}
		return nil
	}
	return fmt.Errorf("no container of %s", function)
}

// again looks at the task after its lease has lapsed: it was called a second time, by another claim, and ended by that.
func (k *killing) again(c *chain) {
	c.await("the lease to lapse, and the task to be delivered", func() bool {
		c.sweep()
		return c.state(killedID) == "delivered 1"
	}, func() string { return c.states(killedID) })

	hint := c.file(fmt.Sprintf(`{"hints":[{"id":%q,"queue":"default","dueAt":%q}]}`, killedID, k.all()[0].row.DueAt.Format(time.RFC3339Nano)))
	if answer := c.invoke(samlocal.Handle, hint); string(answer) != "{}" {
		c.t.Errorf("a hint after the end: answer %s, want {}", answer)
	}
	c.sweep()
	calls := k.all()
	if len(calls) != 2 {
		c.t.Fatalf("%d calls, want one that was cut off and one that was answered: %+v", len(calls), calls)
	}
	for i, call := range calls {
		if call.err != nil || call.attempt != "1" || call.row.Lapses != i || call.signed.Task != killedID || call.signed.Generation != call.row.Generation {
			c.t.Errorf("call %d: attempt %s, signed %+v, %d lapses, generation %d, %v; want attempt 1, %d lapses, signed with the row's generation",
				i+1, call.attempt, call.signed, call.row.Lapses, call.row.Generation, call.err, i)
		}
	}
	first, second := calls[0], calls[1]
	if second.at.Before(first.row.Until) {
		c.t.Errorf("called again %v before its lease had lapsed", first.row.Until.Sub(second.at))
	}
	if second.row.Lease == first.row.Lease || second.row.Generation <= first.row.Generation {
		c.t.Errorf("called again in the lease %q with generation %d, after %q with %d", second.row.Lease, second.row.Generation, first.row.Lease, first.row.Generation)
	}
	c.t.Logf("called again %v after the first call, %v after its lease had lapsed", second.at.Sub(first.at).Round(time.Millisecond), second.at.Sub(first.row.Until).Round(time.Millisecond))
}
