package dispatch_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func (w *world) editor() *dispatch.Editor {
	return &dispatch.Editor{Store: w.store, Settings: dispatch.CachedSettings(w.store, time.Now, 0), Retention: dispatch.DefaultRetention, Now: time.Now}
}

func TestCancel(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", "")
		got, err := w.editor().Cancel(w.Context(), "a")
		if err != nil || got.State != dispatch.Cancelled || got.Lane != "" || got.TTL.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		w.run(h)
		w.wantCalls(0)
		if _, err := w.editor().Cancel(w.Context(), "a"); !isState(err, dispatch.Cancelled) {
			t.Errorf("again: %v", err)
		}
		if _, err := w.editor().Cancel(w.Context(), "b"); !errors.Is(err, dispatch.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}

		w.put("leased", "")
		w.store.Claim(w.Context(), []string{"leased"}, dispatch.Lease{Token: "x", At: time.Now(), Left: time.Hour})
		if _, err := w.editor().Cancel(w.Context(), "leased"); !errors.Is(err, dispatch.ErrLeased) {
			t.Errorf("leased: %v", err)
		}
		time.Sleep(time.Minute)
		if got, err := w.editor().Cancel(w.Context(), "leased"); err != nil || got.State != dispatch.Cancelled {
			t.Errorf("lapsed: %+v, %v", got, err)
		}
	})
}

func isState(err error, s dispatch.State) bool {
	e, ok := errors.AsType[*dispatch.StateError](err)
	return ok && e.State == s
}

func TestRetry(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers = []dispatch.Answer{{Status: 500}, {Status: 200}}
		h := w.put("a", `,"attempts":{"limit":1},"lifetime":60`)
		if _, err := w.editor().Retry(w.Context(), "a"); !isState(err, dispatch.Scheduled) {
			t.Errorf("while scheduled: %v", err)
		}
		if got := w.run(h); got.State != dispatch.Exhausted {
			t.Fatalf("%s", got.State)
		}
		time.Sleep(time.Hour)
		got, err := w.editor().Retry(w.Context(), "a")
		if err != nil || got.State != dispatch.Scheduled || got.Run != 2 || got.Lane != "default#0" || got.Progress != nil || got.Reason != "" || !got.EndedAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		if !got.ExpireAt.Equal(time.Now().Add(time.Minute)) || !got.TTL.Equal(got.ExpireAt.Add(dispatch.DefaultRetention)) {
			t.Errorf("expires %v, gone %v: want the first lifetime again", got.ExpireAt, got.TTL)
		}
		if got := w.run(got.Hint()); got.State != dispatch.Delivered {
			t.Errorf("%s", got.State)
		}
		if key := w.calls[1].IdempotencyKey(); key != "a/2" || w.calls[1].Attempt != 1 {
			t.Errorf("attempt %d under the key %s: a run by hand must not be dropped as a duplicate", w.calls[1].Attempt, key)
		}
	})
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		input string
		want  []string // pointers of faults
	}{
		{`{}`, nil},
		{`{"queues":{"bulk":{"lanes":4},"a_b-1":{}}}`, nil},
		{`{"queues":{"Bulk":{},"":{},"a#b":{},"a":{"lanes":0},"b":{"lanes":101},"c":{"lane":1},"d":1},"x":1}`,
			[]string{"#/x", "#/queues/Bulk", "#/queues/", "#/queues/a%23b", "#/queues/a/lanes", "#/queues/b/lanes", "#/queues/c/lane", "#/queues/d"}},
		{`{"queues":[]}`, []string{"#/queues"}},
		{`[]`, []string{"#"}},
	} {
		s, err := dispatch.ParseSettings([]byte(test.input), nil)
		wantFaults(t, test.input, err, test.want)
		if err == nil && s.Lanes("default") != 1 {
			t.Errorf("%s: no default queue", test.input)
		}
	}
	inWorld(t, func(w *world) {
		save := func(input string) (int64, error) {
			s, err := dispatch.ParseSettings([]byte(input), nil)
			if err != nil {
				t.Fatal(err)
			}
			return dispatch.SaveSettings(w.Context(), w.store, s)
		}
		for i, input := range []string{`{"queues":{"bulk":{"lanes":2}}}`, `{"queues":{"bulk":{"lanes":3},"mail":{}}}`} {
			if version, err := save(input); err != nil || version != int64(i+1) {
				t.Errorf("%s: version %d, %v", input, version, err)
			}
		}
		_, err := save(`{"queues":{"bulk":{"lanes":2}}}`)
		wantFaults(t, "lowered and removed", err, []string{"#/queues/bulk/lanes", "#/queues/mail"})
		if old, err := w.store.Load(w.Context(), dispatch.SettingsVersion(1)); err != nil || !strings.Contains(string(old.Body), `"bulk":{"lanes":2}`) {
			t.Errorf("version 1 is not kept: %s, %v", old.Body, err)
		}
		if s, version, err := dispatch.LoadSettings(w.Context(), w.store); err != nil || version != 2 || s.Lanes("bulk") != 3 {
			t.Errorf("%+v, version %d, %v", s, version, err)
		}
	})
}

func wantFaults(t *testing.T, what string, err error, want []string) {
	t.Helper()
	var got []string
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		for _, f := range invalid.Faults {
			got = append(got, f.Pointer)
		}
	} else if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if len(got) != len(want) {
		t.Errorf("%s: faults at %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: faults at %v, want %v", what, got, want)
			return
		}
	}
}
