package cloud_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/internal/bench/cloud"
	"example.com/dispatch/pkg/dispatch"
)

func TestLambda(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var accepted []string
		l := &cloud.Lambda{Latency: 15 * time.Millisecond, Rate: 2, Accept: func(function string, payload []byte) {
			mu.Lock()
			defer mu.Unlock()
			accepted = append(accepted, function+string(payload))
		}}
		for i, want := range []int{http.StatusAccepted, http.StatusAccepted, http.StatusTooManyRequests} {
			r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/handle/invocations", strings.NewReader(fmt.Sprint(i)))
			r.Header.Set("X-Amz-Invocation-Type", "Event")
			w, began := httptest.NewRecorder(), time.Now()
			l.ServeHTTP(w, r)
			if took := time.Since(began); w.Code != want || took != l.Latency {
				t.Errorf("request %d: status %d after %v, want %d", i, w.Code, took, want)
			}
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprint(accepted); got != "[handle0 handle1]" {
			t.Errorf("accepted %s", got)
		}
	})
}

// TestHandlers has more tasks end than one lane's partition bears in a second, and one be handed over twice.
func TestHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2 * cloud.WritesOfAPartition
		backlog, err := cloud.NewBacklog(t.Context(), n, 1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for hint, err := range cloud.Store(backlog.Do).Due(t.Context(), dispatch.Lane(dispatch.DefaultQueue, "", 1), time.Now().Add(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, hint.ID)
		}
		h, began := cloud.NewHandlers(backlog, 110*time.Millisecond, n+1), time.Now()
		var wg sync.WaitGroup
		for _, id := range append(ids, ids[0]) {
			wg.Go(func() { h.Handle([]byte(`{"hints":[{"id":"` + id + `"}]}`)) })
		}
		wg.Wait()
		want := 110*time.Millisecond + (n-1)*time.Second/cloud.WritesOfAPartition
		if took := time.Since(began); took != want || h.Hints.Load() != n+1 || h.Twice.Load() != 1 || h.Done.Load() != n {
			t.Errorf("%d of %d ended after %v, want %v; %d twice", h.Done.Load(), h.Hints.Load(), took, want, h.Twice.Load())
		}
	})
}
