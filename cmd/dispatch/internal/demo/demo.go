// Package demo runs the main job and tells what happens: a server, a receiver that fails first, and the uses
// that the system was made for, with shorter times.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/receiver"
	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

// Options says where the demo runs and what it writes to.
type Options struct {
	Folder string // for the database
	Out    io.Writer
	Colour bool // Out is a terminal
}

const (
	demoTime = 18 * time.Second // for all of it
	endTime  = time.Second      // of that, for stopping
	pollTime = 50 * time.Millisecond
	issuer   = "dispatch"
)

// ErrState says that a task did not end as it should have.
var ErrState = errors.New("the demo did not go as it should")

// Run runs the demo. The error wraps ErrState if a task ended in another state than it should have.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	tell := newNarrator(o.Out, o.Colour)

	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the receiver: %w", err)
	}
	target := "http://" + l.Addr().String()
	s, err := server.Start(ctx, server.Options{
		DB: filepath.Join(o.Folder, "demo.db"), Listen: "127.0.0.1:0", Issuer: issuer, Networks: server.Loopback(),
		Workers: 16, Retention: dispatch.DefaultRetention, Grace: endTime, Log: slog.New(tell),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("starting the server: %w", err), l.Close())
	}
	uses := uses()
	checker := &receiver.Checker{Keys: receiver.Published(s.URL() + "/.well-known/jwks.json"), Issuer: issuer, Origins: []string{target}}
	answers := receiver.New(receiver.Options{Verify: checker.Verify, Status: script(uses), Report: tell.received})

	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- s.Run(serving) }()
	go func() { ended <- receiver.Serve(serving, l, answers, 0) }()

	tell.title("A server at " + s.URL() + " and a receiver at " + target + " that fails first, both in this process.")
	err = play(ctx, s, target, uses, tell)
	stop()
	return errors.Join(err, <-ended, <-ended)
}

// play enqueues the uses, waits until all have ended, and compares how.
func play(ctx context.Context, s *server.Server, target string, uses []use, tell *narrator) error {
	tell.begin()
	var tasks []json.RawMessage
	ids := make([]string, len(uses))
	for i, u := range uses {
		ids[i] = u.id
		tell.line(u.id, plain, u.story)
		tasks = append(tasks, json.RawMessage(strings.ReplaceAll(u.task, "RECEIVER", target)))
	}
	if err := enqueue(ctx, s.URL(), tasks); err != nil {
		return err
	}
	rows, err := await(ctx, s, ids)
	if err != nil {
		return err
	}
	tell.title("\nAll have ended. This is what dispatch list shows:\n")
	now := time.Now()
	shown, wrong := make([]view.Task, len(rows)), []error(nil)
	for i, t := range rows {
		shown[i] = view.New(t, now, nil)
		if t.State != uses[i].ends || shown[i].Attempts != uses[i].attempts {
			wrong = append(wrong, fmt.Errorf("%w: %s is %s after %d attempts, and should be %s after %d",
				ErrState, t.ID, t.State, shown[i].Attempts, uses[i].ends, uses[i].attempts))
		}
	}
	return errors.Join(append(wrong, view.Table(tell.out, shown, now))...)
}

func enqueue(ctx context.Context, url string, tasks []json.RawMessage) error {
	body, err := json.Marshal(map[string]any{"tasks": tasks})
	if err != nil {
		return fmt.Errorf("encoding the tasks: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/tasks", strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("enqueueing: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("enqueueing: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("enqueueing: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("enqueueing: %s: %s", answer.Status, text)
	}
	return nil
}

// await polls until all tasks have ended.
func await(ctx context.Context, s *server.Server, ids []string) ([]dispatch.Task, error) {
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for {
		rows, open := make([]dispatch.Task, len(ids)), 0
		for i, r := range s.Store.Get(ctx, ids) {
			if r.Err != nil {
				return nil, fmt.Errorf("reading %s: %w", ids[i], r.Err)
			}
			if rows[i] = r.Task; !r.Task.State.Final() {
				open++
			}
		}
		if open == 0 {
			return rows, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %d tasks have not ended after %v", ErrState, open, demoTime)
		}
	}
}
