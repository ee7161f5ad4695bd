package dispatch_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"log/slog"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// The three verbs on one store: enqueue puts, sweep finds, handle calls and settles. Package target makes real calls,
// packages sqlite and dynamo keep rows.
func Example() {
	ctx, store := context.Background(), &storetest.Memory{}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	settings := dispatch.CachedSettings(store, clock, time.Minute)
	quiet := slog.New(slog.DiscardHandler)

	enqueue := &dispatch.Enqueue{Store: store, Settings: settings, Retention: dispatch.DefaultRetention, Now: clock, Log: quiet}
	handle := dispatch.Handle{
		Store: store, Settings: settings, Retention: dispatch.DefaultRetention, Now: clock, Token: rand.Text, Log: quiet,
		Chance: func() float64 { return 0.5 },
		Send: func(_ context.Context, c dispatch.Call) dispatch.Answer {
			fmt.Println("calls", c.Doc.URI)
			return dispatch.Answer{Status: 200}
		},
	}
	sweep := dispatch.Sweep{
		Store: store, Settings: settings, Invoke: handle.Run,
		Precision: dispatch.PrecisionMinute, TasksPerHandle: 1, Limit: 100, Parallel: 1, Now: clock, Log: quiet,
	}

	input := `{"id": "call-1", "uri": "https://example.com/", "delay": 60}`
	receipts, err := enqueue.Run(ctx, []byte(input), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipts.Tasks[0].State, receipts.Tasks[0].DueAt)

	now = now.Add(time.Minute)
	if _, err := sweep.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Get(ctx, []string{"call-1"})[0].Task.State)
	// Output:
	// scheduled 2026-01-31 12:01:00 +0000 UTC
	// calls https://example.com/
	// delivered
}

// Faults are all told at once, and then nothing is stored.
func ExampleInvalidInput() {
	store := &storetest.Memory{}
	enqueue := &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	_, err := enqueue.Run(context.Background(), []byte(`{"uri": "example.com", "httpTimeout": 1000}`), func(int) string { return "new" })
	fmt.Println(err)
	// Output: invalid input: #/httpTimeout: must be a whole number from 1 to 600; #/uri: must be an https URL, or an ARN
}

// Codes are given one by one, as classes and as ranges.
func ExampleParseCodeRange() {
	for _, text := range []string{"404", "4xx", "500-503", "4x"} {
		r, err := dispatch.ParseCodeRange(text)
		fmt.Println(r, err)
	}
	// Output:
	// 404 <nil>
	// 4xx <nil>
	// 500-503 <nil>
	// 0 "4x" is not a status code (100-599), a class such as "2xx" or a range such as "200-204"
}
