package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/dispatch/internal/bench/cloud"
)

const (
	coldTarget = 1.3 // times an empty function's init
	coldTime   = 6 * time.Minute
	warmRuns   = 5
)

// started is what the starts of one function took.
type started struct {
	name, path, event string
	init, first, warm []time.Duration
}

// cold measures the starts of all functions, in turns, and their first invocations beside later ones: what each asks of
// the store is answered as DynamoDB does.
func (b *bench) cold(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, coldTime)
	defer cancel()
	emulator, err := findEmulator(ctx)
	if err != nil {
		b.table.leaveOut("the functions' cold starts: %v", err)
		return nil
	}
	trust, err := cloud.Trust(b.folder)
	if err != nil {
		return err
	}
	store := cloud.Listen(&cloud.DynamoDB{Do: cloud.NewTable(), Latency: dynamoDBLatency})
	defer store.Close()
	all := []*started{
		{name: "./internal/bench/empty", event: "{}"},
		{name: "./functions/enqueue", event: `{"uri":"https://example.com/","delay":3600}`},
		{name: "./functions/sweep", event: "{}"},
		{name: "./functions/handle", event: `{"hints":[{"id":"absent","queue":"default"}]}`},
	}
	for _, s := range all {
		if s.path, err = b.build(ctx, s.name, "-tags=lambda.norpc", "-ldflags=-s"); err != nil {
			return err
		}
	}
	rounds := b.pick(50, 8)
	for round := range rounds {
		for i := range all {
			s := all[(round+i)%len(all)] // none is always behind the same other
			if err := s.once(ctx, emulator, trust, "AWS_ENDPOINT_URL="+store.URL); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return b.coldTable(all, rounds)
}

// once starts the function, and invokes it some times.
func (s *started) once(ctx context.Context, emulator string, env ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, oneStart)
	defer cancel()
	f, err := startFunction(ctx, emulator, s.path, 0, env...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	for n := range 1 + warmRuns {
		_, took, err := f.invoke(ctx, s.event)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, f.output.String())
		}
		if n == 0 {
			s.first = append(s.first, took)
		} else {
			s.warm = append(s.warm, took)
		}
	}
	took, err := f.initTime()
	s.init = append(s.init, took)
	return err
}

func (b *bench) coldTable(all []*started, rounds int) error {
	empty := all[0]
	least, err := os.Stat(empty.path)
	if err != nil {
		return fmt.Errorf("looking at a binary: %w", err)
	}
	for _, s := range all {
		file, err := os.Stat(s.path)
		if err != nil {
			return fmt.Errorf("looking at a binary: %w", err)
		}
		name := filepath.Base(s.path)
		if s != empty {
			b.table.atMost(figure{"cold", name + ", init ratio", float64(median(s.init)) / float64(median(empty.init)), "", "", nil, "to an empty Go function's"}, coldTarget)
		}
		b.table.add(figure{"cold", name + ", init", milliseconds(median(s.init)), "ms", "", nil, fmt.Sprintf(
			"from the start of the process to its first request for an event: median of %d starts, in turns; the fastest %.1f", rounds, milliseconds(slices.Min(s.init)))})
		b.table.add(figure{"cold", name + ", first run", milliseconds(median(s.first)), "ms", "", nil, "init, TLS handshake and the first invocation, as the caller sees them"})
		b.table.add(figure{"cold", name + ", warm run", milliseconds(median(s.warm)), "ms", "", nil, fmt.Sprintf("the median of the %d after it", warmRuns)})
		b.table.add(figure{"cold", name + ", size", float64(file.Size()) / 1e6, "MB", "", nil, fmt.Sprintf("of the binary, %.2f times the empty one's", float64(file.Size())/float64(least.Size()))})
	}
	return nil
}
