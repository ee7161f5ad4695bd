package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"github.com/oklog/ulid/v2"
)

const (
	together    = 1000 // tasks of one request at most
	connections = 256  // to the server at most
)

// asked is a task as a caller writes it.
type asked struct {
	ID          string    `json:"id"`
	URI         string    `json:"uri"`
	Body        string    `json:"body"`
	DueAt       time.Time `json:"dueAt,omitzero"`
	HTTPTimeout int       `json:"httpTimeout,omitempty"` // seconds
	Attempts    *attempts `json:"attempts,omitempty"`
}

type attempts struct {
	Interval int `json:"interval"` // seconds
}

// to returns a task for a receiver that says when it is due.
func to(url string, due time.Time) asked {
	return asked{URI: fmt.Sprintf("%s/call?%s=%d", url, dueAt, due.UnixNano()), Body: strings.Repeat("x", 300)}
}

// ahead returns one that is enqueued before it is due.
func ahead(url string, due time.Time) asked {
	due = due.Truncate(time.Millisecond)
	task := to(url, due)
	task.DueAt = due
	return task
}

func encoded(tasks []asked) []byte {
	b, err := json.Marshal(struct {
		Tasks []asked `json:"tasks"`
	}{tasks})
	if err != nil {
		panic(err) // the types above always encode
	}
	return b
}

// caller enqueues over HTTP.
type caller struct {
	server string
	client *http.Client
}

func (s *server) caller() caller {
	return caller{s.URL, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}, Timeout: time.Minute}}
}

// enqueue returns once the server has acknowledged them. Where the answer was lost it asks again, as callers do: the ids
// make it the same tasks.
func (c caller) enqueue(ctx context.Context, tasks ...asked) (err error) {
	for i := range tasks {
		tasks[i].ID = ulid.Make().String()
	}
	for range 3 {
		var status int
		if status, err = c.post(ctx, encoded(tasks)); err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil {
			return fmt.Errorf("enqueueing: status %d", status)
		}
	}
	return fmt.Errorf("enqueueing: %w", err)
}

func (c caller) post(ctx context.Context, input []byte) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+"/tasks", bytes.NewReader(input))
	if err != nil {
		return 0, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// steadily enqueues tasks at a rate for some time, whether or not the last ones have been acknowledged, unless all
// connections wait: then as fast as the server acknowledges. It returns how many there were, and how long each took to be
// acknowledged, in turn.
func (c caller) steadily(ctx context.Context, rate int, lasts time.Duration, task func(i int) asked) (n int, took []time.Duration, failed error) {
	n = int(lasts.Seconds() * float64(rate))
	took = make([]time.Duration, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	asking := make(chan struct{}, connections)
	began := time.Now()
	for i := range n {
		select {
		case <-time.After(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate)))):
		case <-ctx.Done():
			wg.Wait()
			return i, took[:i], ctx.Err()
		}
		asking <- struct{}{} // each has an end: the client's timeout
		if time.Since(began) > lasts {
			n = i
			break
		}
		wg.Go(func() {
			defer func() { <-asking }()
			asked := time.Now()
			errs[i] = c.enqueue(ctx, task(i))
			took[i] = time.Since(asked)
		})
	}
	wg.Wait()
	refused := 0
	for _, err := range errs[:n] {
		if err != nil {
			refused, failed = refused+1, err
		}
	}
	if failed != nil {
		failed = fmt.Errorf("%d of %d were not acknowledged: %w", refused, n, failed)
	}
	return n, took[:n], failed
}

// fill puts n tasks into a new file, as the server would.
func (r *run) fill(ctx context.Context, name string, n int, task func(i int) asked) (path string, err error) {
	path = filepath.Join(r.folder, name+".db")
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	enqueue := &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Second),
		Retention: dispatch.DefaultRetention, AllowHTTP: true, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for i := 0; i < n; {
		batch := make([]asked, 0, together)
		for ; i < n && len(batch) < together; i++ {
			one := task(i)
			one.ID = ulid.Make().String()
			batch = append(batch, one)
		}
		if _, err := enqueue.Run(ctx, encoded(batch), nil); err != nil {
			return "", fmt.Errorf("filling %s: %w", path, err)
		}
	}
	return path, nil
}

// states counts the tasks of a file by their states, once no server has it.
func states(ctx context.Context, path string) (n map[dispatch.State]int, attempts int, err error) {
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	n = map[dispatch.State]int{}
	for t, err := range store.List(ctx, dispatch.Filter{}) {
		if err != nil {
			return nil, 0, err
		}
		n[t.State]++
		for _, p := range t.Progress {
			attempts += p.Attempts
		}
	}
	return n, attempts, nil
}
