package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	steadyRate = 1000 // tasks a second
	latencyEnd = 10 * time.Second
)

// latency measures how long a task that is due at once takes from the caller's request to the receiver's handler.
func (b *bench) latency(ctx context.Context) error {
	receiver, err := startReceiver(ctx)
	if err != nil {
		return err
	}
	server, err := b.serve(ctx, filepath.Join(b.folder, "latency.db"), "--unsigned")
	if err != nil {
		return errors.Join(err, receiver.end())
	}
	n := steadyRate * b.pick(10, 3)
	err = steadily(ctx, server.URL, steadyRate, n, func(int) asked {
		return asked{URI: fmt.Sprintf("%s/call?%s=%d", receiver.URL, sentAt, time.Now().UnixNano()), Body: body()}
	})
	seen, waited := awaitCalls(ctx, receiver.URL, n, latencyEnd)
	if err = errors.Join(err, waited, server.end(), receiver.end()); err != nil {
		return err
	}
	late := slices.Sorted(slices.Values(seen.Late))
	if len(late) < n {
		return fmt.Errorf("%d of %d tasks arrived in time", len(late), n)
	}
	for _, p := range []int{50, 99} {
		b.table.add(figure{
			"latency", fmt.Sprintf("enqueue to receiver, p%d", p), milliseconds(late[(len(late)-1)*p/100]), "ms", "", nil,
			fmt.Sprintf("%d tasks/s over HTTP, due at once: from the caller's request to the receiver's handler, two commits between", steadyRate),
		})
	}
	return nil
}

// steadily enqueues n tasks at a rate a second, whether or not the last ones have been acknowledged.
func steadily(ctx context.Context, server string, rate, n int, task func(i int) asked) error {
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(n)*time.Second/time.Duration(rate)+latencyEnd)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, n)
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		wg.Go(func() {
			if err := post(ctx, client, server+"/tasks", encoded(task(i))); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func microseconds(d time.Duration) float64 { return d.Seconds() * 1e6 }
