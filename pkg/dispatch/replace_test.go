package dispatch_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func TestOnConflict(t *testing.T) {
	const input = `{"id":"a","uri":"https://example.com/%s","delay":%d,"onConflict":"%s"%s}`
	type world = producer
	finished := func(p *world, t *testing.T) {
		if _, _, err := p.store.Edit(t.Context(), "a", func(t *dispatch.Task) error {
			t.State, t.EndedAt, t.DueAt, t.Lane, t.Identifier = dispatch.Delivered, p.now, time.Time{}, "", ""
			t.Progress = []dispatch.Progress{{Attempts: 1}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	leased := func(p *world, t *testing.T) {
		p.now = p.now.Add(10 * time.Second)
		if r := p.store.Claim(t.Context(), []string{"a"}, dispatch.Lease{Token: "x", At: p.now, Left: time.Hour})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	newer := func(p *world, t *testing.T) {
		if _, _, err := p.store.Edit(t.Context(), "a", func(t *dispatch.Task) error { t.Version = dispatch.FormatVersion + 1; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	attempted := func(p *world, t *testing.T) {
		if _, _, err := p.store.Edit(t.Context(), "a", func(t *dispatch.Task) error {
			t.Progress = []dispatch.Progress{{Attempts: 2}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name     string
		state    func(*world, *testing.T) // what became of the first one; nil: it is pending
		how      string
		same     bool // the same content again
		conflict bool
		replaced bool
		run      int
	}{
		{"keep, the same", nil, "keep", true, false, false, 1},
		{"keep, another", nil, "keep", false, true, false, 1},
		{"keep, finished", finished, "keep", false, true, false, 1},
		{"replaceFinished, pending", nil, "replaceFinished", false, true, false, 1},
		{"replaceFinished, the same pending", nil, "replaceFinished", true, false, false, 1},
		{"replaceFinished, finished", finished, "replaceFinished", false, false, true, 2},
		{"replaceFinished, the same finished", finished, "replaceFinished", true, false, true, 2},
		{"replace, pending", nil, "replace", false, false, true, 1},
		{"replace, the same pending: it starts anew", nil, "replace", true, false, true, 1},
		{"replace, attempted: what may have been received is another run", attempted, "replace", false, false, true, 2},
		{"replace, leased", leased, "replace", false, true, false, 1},
		{"replace, finished", finished, "replace", false, false, true, 2},
		{"replace, of a newer version", newer, "replace", false, true, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProducer(t)
			if _, err := p.run(t, fmt.Sprintf(input, "1", 5, test.how, "")); err != nil {
				t.Fatal(err)
			}
			if test.state != nil {
				test.state(p, t)
			}
			p.now = p.now.Add(time.Second)
			path := map[bool]string{true: "1", false: "2"}[test.same]
			got, err := p.run(t, fmt.Sprintf(input, path, 5, test.how, ""))
			if err != nil {
				t.Fatal(err)
			}
			r := got.Tasks[0]
			if (r.Error != nil) != test.conflict || r.Replaced != test.replaced || !r.Existing || test.conflict && r.Error.Status != 409 {
				t.Errorf("receipt %+v", r)
			}
			row, d := p.row(t, "a")
			if row.Run != test.run {
				t.Errorf("run %d, want %d", row.Run, test.run)
			}
			if test.replaced && (d.URI != "https://example.com/"+path || !row.DueAt.Equal(p.now.Add(5*time.Second)) || row.State != dispatch.Scheduled || row.Progress != nil || row.Lane == "") {
				t.Errorf("row %+v", row)
			}
			if test.conflict && d.URI != "https://example.com/1" {
				t.Errorf("replaced by %s all the same", d.URI)
			}
		})
	}
	t.Run("another group", func(t *testing.T) {
		p := newProducer(t)
		for i, group := range []string{`,"group":"g"`, `,"group":"h"`} {
			got, err := p.run(t, fmt.Sprintf(input, "1", 5, "replace", group))
			if err != nil || (got.Tasks[0].Error != nil) != (i == 1) {
				t.Errorf("%+v, %v", got, err)
			}
		}
	})
	t.Run("a blocked one stays behind", func(t *testing.T) {
		p := newProducer(t)
		if _, err := p.run(t, `{"id":"head","uri":"https://example.com/","group":"g"}`); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := p.run(t, fmt.Sprintf(input, "1", 0, "replace", `,"group":"g"`)); err != nil {
				t.Fatal(err)
			}
			p.now = p.now.Add(time.Second)
		}
		if row, _ := p.row(t, "a"); row.State != dispatch.Blocked || row.Prev != "head" || len(p.invoked) != 1 {
			t.Errorf("row %+v, %d hints", row, len(p.invoked))
		}
	})
}

// Under concurrent enqueues of one id exactly one task exists, and one of them made it.
func TestEnqueueOneIDConcurrently(t *testing.T) {
	for _, how := range []string{"keep", "replaceFinished", "replace"} {
		p := newProducer(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		created := 0
		for range 100 {
			wg.Go(func() {
				got, err := p.run(t, `{"id":"a","uri":"https://example.com/","delay":5,"onConflict":"`+how+`"}`)
				if err != nil || got.Tasks[0].Error != nil {
					t.Errorf("%+v, %v", got, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !got.Tasks[0].Existing {
					created++
				}
			})
		}
		wg.Wait()
		if row, _ := p.row(t, "a"); row.Run != 1 || created < 1 {
			t.Errorf("%s: run %d, created %d times", how, row.Run, created)
		}
	}
}

func TestQueuesTakeTasks(t *testing.T) {
	p := newProducer(t)
	s, err := dispatch.ParseSettings([]byte(`{"queues":{"old":{"retired":true},"slow":{"defaults":{"attempts":{"limit":2,"interval":9},"httpTimeout":5,"lifetime":100}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dispatch.SaveSettings(t.Context(), p.store, s); err != nil {
		t.Fatal(err)
	}
	_, err = p.run(t, `{"uri":"https://example.com/","queue":"old"}`)
	wantFaults(t, "a retired queue", err, []string{"#/queue"})
	if _, err := p.run(t, `{"id":"a","uri":"https://example.com/","queue":"slow"}`); err != nil {
		t.Fatal(err)
	}
	if row, d := p.row(t, "a"); d.Attempts.Limit != 2 || d.Attempts.Interval != 9 || row.Timeout != 5*time.Second || row.ExpireAt != noon.Add(100*time.Second) {
		t.Errorf("the queue's defaults: %+v", d)
	}
	if _, err := p.run(t, `{"id":"b","uri":"https://example.com/","queue":"slow","attempts":{"limit":7},"httpTimeout":6,"expireAt":1780318800}`); err != nil {
		t.Fatal(err)
	}
	if row, d := p.row(t, "b"); d.Attempts.Limit != 7 || d.Attempts.Interval != 60 || row.Timeout != 6*time.Second || row.ExpireAt != noon.Add(time.Hour) {
		t.Errorf("the task's own: %+v", d)
	}
}

func TestReschedule(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("a", `,"lifetime":600`)
		later := time.Now().Add(5 * time.Minute)
		if got, err := w.editor().Reschedule(w.Context(), "a", later); err != nil || !got.DueAt.Equal(later) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := w.editor().Reschedule(w.Context(), "a", time.Now().Add(time.Hour)); err == nil {
			t.Error("rescheduled past its expiry")
		}
		time.Sleep(5 * time.Minute)
		w.store.Claim(w.Context(), []string{"a"}, dispatch.Lease{Token: "x", At: time.Now(), Left: time.Hour})
		if _, err := w.editor().Reschedule(w.Context(), "a", later); !errors.Is(err, dispatch.ErrLeased) {
			t.Errorf("leased: %v", err)
		}
	})
}

func TestClear(t *testing.T) {
	inWorld(t, func(w *world) {
		done := w.run(w.put("a", ""))
		w.put("b", "")
		clear := func(id string, age time.Duration) bool {
			ok, err := w.editor().Clear(w.Context(), w.get(id), age)
			if err != nil {
				t.Error(err)
			}
			return ok
		}
		time.Sleep(dispatch.MinRetention - time.Second)
		if clear("a", 0) || clear("b", 0) {
			t.Error("cleared too soon, or a live one")
		}
		time.Sleep(time.Second)
		if clear("a", 24*time.Hour) || !clear("a", time.Hour) {
			t.Error("not cleared at its age")
		}
		if r := w.store.Get(w.Context(), []string{done.ID})[0]; !errors.Is(r.Err, dispatch.ErrNotFound) {
			t.Errorf("still there: %+v", r)
		}
	})
}
