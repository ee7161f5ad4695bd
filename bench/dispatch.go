package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	dispatchName = "dispatch"
	farAway      = 3600 // seconds: nothing is sent while enqueueing over HTTP is measured
	rawFormat    = "raw"
)

// programs are the paths of what is built from the folder above.
type programs struct {
	dispatch string // the command
	bench    string // internal/bench
}

func build(ctx context.Context, folder string) (p programs, err error) {
	p = programs{filepath.Join(folder, "dispatch"), filepath.Join(folder, "internal-bench")}
	for path, command := range map[string]string{p.dispatch: "./cmd/dispatch", p.bench: "./internal/bench"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", path, command)
		cmd.Dir = ".."
		if text, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("building %s in the folder above, of the product: %w\n%s", command, err, text)
		}
	}
	return p, nil
}

func newDispatch(p programs) system {
	return system{name: dispatchName, start: func(_ context.Context, folder string) (running, error) {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers}} // as many as the others' clients have
		return &dispatchRunning{programs: p, file: filepath.Join(folder, "dispatch.db"), client: client}, nil
	}}
}

type dispatchRunning struct {
	programs
	file   string
	url    string // of the server, once it works
	client *http.Client
}

func (d *dispatchRunning) fill(ctx context.Context, uri string, n int) error {
	_, err := d.embed(ctx, uri, 4, 1000, limit{n, fillSeconds})
	return err
}

// enqueue is embedded: in the process of its callers, as River's and Asynq's clients are.
func (d *dispatchRunning) enqueue(ctx context.Context, together int, l limit) (float64, error) {
	return d.embed(ctx, nowhere, callers, together, l)
}

// embed has internal/bench put tasks into the file, for the verb cannot be imported here.
func (d *dispatchRunning) embed(ctx context.Context, uri string, callers, together int, l limit) (float64, error) {
	todo, err := json.Marshal(map[string]any{
		"file": d.file, "uri": uri, "format": rawFormat, "tasks": l.tasks, "together": together, "callers": callers, "most": l.seconds,
	})
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, d.programs.bench, "-embed", string(todo))
	cmd.Env = append(cmd.Environ(), "GOGC="+strconv.Itoa(gcPercent))
	text, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return 0, fmt.Errorf("enqueueing: %w\n%s", err, exit.Stderr)
	}
	var answer struct {
		Rate float64 `json:"rate"`
	}
	if err := errors.Join(err, json.Unmarshal(text, &answer)); err != nil {
		return 0, fmt.Errorf("enqueueing: %w", err)
	}
	return answer.Rate, nil
}

// enqueueHTTP is enqueue by requests to the server.
func (d *dispatchRunning) enqueueHTTP(ctx context.Context, together int, l limit) (rate float64, err error) {
	server, err := d.work(ctx, workload{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.end(syscall.SIGTERM)) }()
	one := asked(nowhere, farAway)
	input, wanted := one, http.StatusCreated
	if together > 1 {
		input = fmt.Appendf(nil, `{"tasks":[%s]}`, bytes.Join(repeat(one, together), []byte(",")))
		wanted = http.StatusOK
	}
	rate, err = side(callers, l.tasks/together, l, func() error { return d.post(ctx, input, wanted) })
	return rate * float64(together), err
}

func repeat(one []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = one
	}
	return all
}

// asked is a task as a caller writes it.
func asked(uri string, delay int) []byte {
	return fmt.Appendf(nil, `{"uri":%q,"body":%s,"format":%q,"delay":%d}`, uri, body(), rawFormat, delay)
}

func (d *dispatchRunning) put(ctx context.Context, uri string) error {
	return d.post(ctx, asked(uri, 0), http.StatusCreated)
}

func (d *dispatchRunning) post(ctx context.Context, input []byte, wanted int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/tasks", bytes.NewReader(input))
	if err != nil {
		return err
	}
	answer, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != wanted {
		err = fmt.Errorf("status %d, %.300s", answer.StatusCode, text)
	}
	return err
}

func (d *dispatchRunning) work(ctx context.Context, w workload) (*process, error) {
	args := []string{"serve", "--db", d.file, "--listen", "127.0.0.1:0"}
	if w.concurrency > 0 {
		args = append(args, "--workers", strconv.Itoa(w.concurrency))
	}
	if !w.signed {
		args = append(args, "--unsigned")
	}
	server, err := begin(ctx, exec.CommandContext(ctx, d.dispatch, args...), "serving")
	if err == nil {
		d.url = server.url
	}
	return server, err
}

func (d *dispatchRunning) servers() []int { return nil }

// left looks for one task that is still to be sent and for one that failed.
func (d *dispatchRunning) left(ctx context.Context) (n int, err error) {
	for _, state := range []string{"scheduled", "exhausted", "stopped", "expired"} {
		text, err := exec.CommandContext(ctx, d.dispatch, "list", "--store", "sqlite:"+d.file, "--state", state, "--limit", "1", "--json").Output()
		var answer struct {
			Tasks []json.RawMessage `json:"tasks"`
		}
		if err := errors.Join(err, json.Unmarshal(text, &answer)); err != nil {
			return 0, fmt.Errorf("listing tasks: %w", err)
		}
		n += len(answer.Tasks)
	}
	return n, nil
}

func (d *dispatchRunning) stop() error {
	d.client.CloseIdleConnections()
	return nil
}
