package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// BenchmarkDrain is the engine and its store without a network: one operation is a task delivered.
func BenchmarkDrain(b *testing.B) {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	left := make(chan struct{}, b.N)
	e := engine.New(engine.Options{
		Store: store, Workers: 512, Retention: dispatch.DefaultRetention, AllowHTTP: true, Log: slog.New(slog.DiscardHandler),
		Send: func(context.Context, dispatch.Call) dispatch.Answer {
			left <- struct{}{}
			return dispatch.Answer{Status: 204}
		},
	})
	e.Enqueue.Invoke = nil
	var rows []dispatch.Task
	now := time.Now()
	for i := range b.N {
		id := fmt.Sprintf("task%d", i)
		doc, err := dispatch.EncodeDoc(dispatch.Doc{
			CreatedAt: now, Method: "POST", URI: "http://127.0.0.1:8701/receive", Body: []byte(`{"text":"hello"}`), Format: dispatch.Envelope,
			SuccessCodes: dispatch.Codes{{From: 200, To: 299}}, HTTPTimeout: 30,
			Attempts: dispatch.Attempts{Limit: 10, Interval: 60, Backoff: 1}, FirstDueAt: now,
		})
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, dispatch.Task{
			ID: id, State: dispatch.Scheduled, Queue: dispatch.DefaultQueue, Run: 1, Doc: doc, Hash: []byte("0123456789abcdef0123456789abcdef"),
			Timeout: 30 * time.Second, DueAt: now, Lane: dispatch.Lane(dispatch.DefaultQueue, id, 1), Generation: now.UnixMilli(), Version: dispatch.FormatVersion,
		})
	}
	for len(rows) > 0 {
		n := min(1000, len(rows))
		for _, r := range store.Put(b.Context(), now, rows[:n]) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		rows = rows[n:]
	}
	ctx, cancel := context.WithCancel(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	ran := make(chan struct{})
	go func() { e.Run(ctx); close(ran) }()
	for range b.N {
		<-left
	}
	b.StopTimer()
	cancel()
	<-ran
	if err := e.Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
}
