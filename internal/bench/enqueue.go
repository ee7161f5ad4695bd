package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch/sqlite"
)

const (
	callers     = 50
	enqueueTime = time.Minute
	enqueueMost = 6 * time.Second // after which the rate is known well enough
	farAway     = 3600            // seconds: nothing is sent while enqueueing is measured
)

// enqueue measures acknowledged tasks. Acknowledged means flushed to the disk: a power cut takes none.
func (b *bench) enqueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*enqueueTime)
	defer cancel()
	n := b.pick(200_000, 20_000)
	embedded, ownCPU, err := b.enqueueEmbedded(ctx, n)
	if err != nil {
		return err
	}
	bare, bareCPU, err := b.insertBare(ctx, n)
	if err != nil {
		return err
	}
	n = b.pick(100_000, 10_000)
	served, cpu, err := b.enqueueServed(ctx, n)
	if err != nil {
		return err
	}
	b.table.add(figure{"enqueue", "acknowledged, embedded", embedded, "tasks/s", "", nil, fmt.Sprintf("%d callers of the verb in one process, one task each time, on disk (synchronous=FULL)", callers)})
	b.table.add(figure{"enqueue", "bare store", bare, "rows/s", "", nil, fmt.Sprintf("the SQLite driver alone: rows of a task's size, %d to a transaction, flushed", callers)})
	b.table.add(figure{"enqueue", "ratio, embedded", embedded / bare, "", "", nil, "what a task that is checked and promised leaves of the bare store's speed"})
	b.table.add(figure{"enqueue", "CPU ratio, embedded", float64(ownCPU) / float64(bareCPU), "", "", nil, "a task's CPU time to a row's of the bare store"})
	b.table.add(figure{"enqueue", "acknowledged, over HTTP", served, "tasks/s", "", nil, fmt.Sprintf("%d callers POST /tasks on kept connections to the server's process, one task each time, on disk", callers)})
	b.table.add(figure{"enqueue", "server's CPU time", microseconds(cpu), "µs/task", "", nil, "of all cores, for one task over HTTP"})
	b.table.add(figure{"enqueue", "CPU ratio, over HTTP", float64(cpu) / float64(bareCPU), "", "", nil, "a task's CPU time to a row's of the bare store"})
	return nil
}

func (b *bench) enqueueEmbedded(ctx context.Context, n int) (rate float64, cpu time.Duration, err error) {
	one := encoded(asked{URI: "http://127.0.0.1:9/call", Body: body(), Delay: farAway})
	err = with(ctx, filepath.Join(b.folder, newID(0)+".db"), func(store *sqlite.Store) error {
		verb := verb(store)
		rate, cpu, err = sideCPU(callers, n, enqueueMost, func(int) error {
			_, err := verb.Run(ctx, one, newID)
			return err
		})
		return err
	})
	return rate, cpu, err
}

func (b *bench) enqueueServed(ctx context.Context, n int) (float64, time.Duration, error) {
	server, err := b.serve(ctx, filepath.Join(b.folder, newID(0)+".db"), "--unsigned")
	if err != nil {
		return 0, 0, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	one := encoded(asked{URI: "http://127.0.0.1:9/call", Body: body(), Delay: farAway})
	var posted atomic.Int64
	rate, err := side(callers, n, enqueueMost, func(int) error {
		posted.Add(1)
		return post(ctx, client, server.URL+"/tasks", one)
	})
	err = errors.Join(err, server.end())
	return rate, server.cpu() / time.Duration(max(1, posted.Load())), err
}

// post enqueues over HTTP.
func post(ctx context.Context, client *http.Client, url string, task []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(task))
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("enqueueing: status %d, %s: %w", answer.StatusCode, text, err)
	}
	return nil
}
