package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestWrites counts what every path costs, and prints it: go test -run TestWrites -v
// The figures are the design's; a change that adds to one of them is a defect.
func TestWrites(t *testing.T) {
	var meter dynamotest.Meter
	store := dynamo.Store{Client: server.Client(t, nil, meter.Count), Table: server.Table(t)}
	spent := func(step func()) float64 {
		t.Helper()
		meter.Reset()
		step()
		units := 0.0
		for _, operation := range []string{"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"} {
			units += meter.Costs()[operation].Units()
		}
		return units
	}
	for _, c := range []struct {
		name  string
		steps []step
		want  []float64
	}{
		{"delivered", []step{put, claim, deliver}, []float64{2, 1, 2}},
		{"scheduled for later, delivered", []step{putLater, claimLater, deliver}, []float64{2, 1, 2}},
		{"one retry", []step{put, claim, retry, claim, deliver}, []float64{2, 1, 3, 1, 2}},
		{"one wait", []step{put, claim, wait, claim, deliver}, []float64{2, 1, 3, 1, 2}},
		{"two targets", []step{put, claim, record, deliver}, []float64{2, 1, 1, 2}},
		{"ten targets, one retried", []step{put, claim, record, record, record, record, record, record, record, record, record, retry, claim, deliver}, []float64{2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 2}},
		{"a queue with limits", []step{put, handleLimited}, []float64{2, 1 + 1 + 2 + 1}},
		{"of a tenant", []step{ofTenant, put, claim, deliver}, []float64{0, 2, 1, 2}},
		{"of a tenant with a limit, and one in the queue, and the queue's", []step{ofTenant, put, handleLimited}, []float64{0, 2, 3*(1+1) + 2 + 1}},
		{"3.5 KB of JSON, compressed", []step{ofJSON, put, claim, deliver}, []float64{0, 2 + 1, 2, 2 + 1}},
		{"3.5 KB of JSON, one retry", []step{ofJSON, put, claim, retry, claim, deliver}, []float64{0, 2 + 1, 2, 2 + 2, 2, 2 + 1}},
		{"3.5 KB that cannot be compressed", []step{ofNoise, put, claim, deliver}, []float64{0, 4 + 1, 4, 4 + 1}},
		{"3.5 KB that cannot be, one retry", []step{ofNoise, put, claim, retry, claim, deliver}, []float64{0, 4 + 1, 4, 4 + 2, 4, 4 + 1}},
		{"failed, kept in the history", []step{put, claim, fail}, []float64{2, 1, 3}},
		{"one lapse", []step{put, claim, lapse, deliver}, []float64{2, 1, 2, 2}},
		{"put twice", []step{put, put}, []float64{2, 1}},
		{"hinted too early", []step{putLater, claimRefused}, []float64{2, 1}},
		{"hinted while leased", []step{put, claim, claimRefused}, []float64{2, 1, 1}},
		{"hinted after the end", []step{put, claim, deliver, claimRefused}, []float64{2, 1, 2, 1}},
		{"cancelled", []step{put, cancel}, []float64{2, 2}},
		{"run again by hand, cleared", []step{put, claim, fail, again, claim, fail, remove}, []float64{2, 1, 3, 3, 1, 3, 2}},
		{"a document", []step{save}, []float64{1}},
		{"an identifier", []step{identify, put, claim, deliver}, []float64{0, 3, 1, 3}},
		{"an identifier, one retry", []step{identify, put, claim, retry, claim, deliver}, []float64{0, 3, 1, 3, 1, 3}},
		{"a group, alone", []step{group, put, claim, deliver}, []float64{0, 5, 1, 5}},
		{"a group, in a chain", []step{group, putHead, put, endHead, putNext, claim, deliver}, []float64{0, 0, 6, 0, 0, 1, 6}},
		{"a group, one retry, failed", []step{group, put, claim, retry, claim, fail}, []float64{0, 5, 1, 3, 1, 6}},
		{"a group, held, run again", []step{group, put, claim, hold, again, claim, deliver}, []float64{0, 5, 1, 2, 2, 1, 5}},
		{"a group, cancelled with one behind", []step{group, put, putNext, cancel}, []float64{0, 5, 0, 6}},
		{"a group, put twice", []step{group, put, put}, []float64{0, 5, 0}},
		{"a group, put twice with one behind", []step{group, put, putNext, put}, []float64{0, 5, 0, 6}},
		{"a group, 50 put in one call", []step{group, putFifty}, []float64{0, 50*2 + 2 + 1}},
		{"a callback", []step{put, claim, deliverTelling, claim, deliver}, []float64{2, 1, 6, 1, 2}},
		{"a group and a callback", []step{group, put, claim, deliverTelling, claim, deliver}, []float64{0, 5, 1, 8, 1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := newTask("writes " + c.name)
			total := 0.0
			for i, step := range c.steps {
				units := spent(func() { step(t, store, &task) })
				if total += units; units != c.want[i] {
					t.Errorf("step %d cost %v writes, want %v", i+1, units, c.want[i])
				}
			}
			t.Logf("%-32s %v = %v writes", c.name, c.want, total)
		})
	}
}

// step is one write of a task's life; it leaves the task as it is stored.
type step func(t *testing.T, s dynamo.Store, task *dispatch.Task)

func put(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	if r := s.Put(t.Context(), now, []dispatch.Task{*task})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
}

func putLater(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	task.DueAt = now.Add(time.Hour)
	put(t, s, task)
}

func claimAt(t *testing.T, s dynamo.Store, task *dispatch.Task, at time.Time) {
	t.Helper()
	r := s.Claim(t.Context(), []string{task.ID}, lease(at))[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	*task = r.Task
}

func claim(t *testing.T, s dynamo.Store, task *dispatch.Task)      { claimAt(t, s, task, now) }
func claimLater(t *testing.T, s dynamo.Store, task *dispatch.Task) { claimAt(t, s, task, task.DueAt) }
func lapse(t *testing.T, s dynamo.Store, task *dispatch.Task)      { claimAt(t, s, task, task.Until) }

func claimRefused(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	if r := s.Claim(t.Context(), []string{task.ID}, lease(now)); !errors.Is(r[0].Err, dispatch.ErrRefused) {
		t.Fatalf("claim: %v, want it refused", r[0].Err)
	}
}

func settle(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	t.Helper()
	if _, err := s.Settle(t.Context(), *task); err != nil {
		t.Fatal(err)
	}
}

func deliver(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	*task = delivered(*task)
	settle(t, s, task)
}

// ofTenant makes the task a tenant's that has lanes of its own.
func ofTenant(_ *testing.T, _ dynamo.Store, task *dispatch.Task) {
	task.Tenant, task.Lane = "acme", dispatch.Lane(task.Queue+"~acme", task.ID, 1)
}

// ofJSON gives the task a document of 3.5 KB as callers write them: an order with its lines.
func ofJSON(_ *testing.T, _ dynamo.Store, task *dispatch.Task) {
	chance := rand.New(rand.NewPCG(1, 2))
	doc := []byte(`{"uri":"https://receiver.example/","headers":{"Authorization":"Bearer 0f3a9c51e77b2d46a8"},"body":{"lines":[`)
	for len(doc) < 3400 {
		doc = fmt.Appendf(doc, `{"id":"%016x-%016x","sku":"SKU-%06d","name":%q,"quantity":%d,"price":%.2f,"currency":"EUR"},`, chance.Uint64(), chance.Uint64(),
			chance.IntN(1e6), []string{"Desk lamp", "Office chair", "Notebook A5", "Cable 2 m"}[chance.IntN(4)], chance.IntN(9)+1, float64(chance.IntN(90000))/100)
	}
	task.Doc = append(doc, "{}]}}"...)
}

// ofNoise gives the task a document of 3.5 KB that nothing makes shorter.
func ofNoise(_ *testing.T, _ dynamo.Store, task *dispatch.Task) { task.Doc = noise(3500) }

func noise(n int) []byte {
	chance := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(chance.Uint32())
	}
	return b
}

// handleLimited takes from the limits, claims, settles and gives back.
func handleLimited(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	h := dispatch.Handle{
		Store: s, Retention: dispatch.DefaultRetention, Now: func() time.Time { return now }, Token: func() string { return "limited" },
		Settings: func(context.Context) (dispatch.Settings, error) {
			return dispatch.Settings{
				Queues:  map[string]dispatch.QueueSettings{task.Queue: {Rate: 10, InFlight: 10}},
				Tenants: map[string]dispatch.TenantSettings{"acme": {InFlight: 10, Queues: map[string]dispatch.TenantQueue{task.Queue: {Rate: 10}}}},
			}, nil
		},
		Send: func(context.Context, dispatch.Call) dispatch.Answer {
			return dispatch.Answer{Status: 200, Said: dispatch.OutcomeDelivered}
		},
		Chance: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	}
	if err := h.Run(t.Context(), []dispatch.Hint{task.Hint()}); err != nil {
		t.Fatal(err)
	}
	if got := s.Get(t.Context(), []string{task.ID})[0].Task; !got.State.Final() {
		t.Fatalf("%+v", got)
	}
}

func record(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	task.Progress = append(task.Progress, dispatch.Progress{State: dispatch.Delivered, EndedAt: task.DueAt, Attempts: 1})
	if err := s.Record(t.Context(), *task); err != nil {
		t.Fatal(err)
	}
}

func retry(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	task.DueAt = now.Add(time.Second)
	task.Progress = []dispatch.Progress{{Attempts: 1, Last: []dispatch.Attempt{{At: now, Status: 503}}, Error: "503"}}
	settle(t, s, task)
}

func wait(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	task.DueAt = now.Add(time.Second)
	task.Progress = []dispatch.Progress{{WaitingSince: now}}
	settle(t, s, task)
}

func fail(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	*task = failed(*task)
	settle(t, s, task)
}

func edit(t *testing.T, s dynamo.Store, task *dispatch.Task, change func(*dispatch.Task)) {
	t.Helper()
	edited, _, err := s.Edit(t.Context(), task.ID, func(t *dispatch.Task) error { change(t); return nil })
	if err != nil {
		t.Fatal(err)
	}
	*task = edited
}

func cancel(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	edit(t, s, task, func(t *dispatch.Task) {
		t.State, t.EndedAt, t.DueAt, t.Lane = dispatch.Cancelled, now, time.Time{}, ""
	})
}

func again(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	edit(t, s, task, func(t *dispatch.Task) {
		t.State, t.EndedAt, t.DueAt, t.Lane, t.Run = dispatch.Scheduled, time.Time{}, now, dispatch.Lane(t.Queue, t.ID, 1), t.Run+1
	})
}

func remove(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	if err := s.Delete(t.Context(), task.ID, task.Generation); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, s dynamo.Store, _ *dispatch.Task) {
	if err := s.Save(context.Background(), dispatch.Document{Name: "settings", Version: 1, Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
}
