package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	buildTime  = 5 * time.Minute // with nothing compiled yet
	readyTime  = 30 * time.Second
	answerTime = 20 * time.Second
)

// build compiles a command of this module into the folder and returns its path.
func build(ctx context.Context, folder, command string, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	out := filepath.Join(folder, path.Base(command))
	args := append(append([]string{"build", "-o", out}, flags...), command)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", command, err, text)
	}
	return out, nil
}

// server is a process of `dispatch serve`.
type server struct {
	cmd   *exec.Cmd
	url   chan string // has its URL once it serves
	ended chan struct{}
	err   error // of its end, once ended is closed
}

// start starts a process that logs to a file, which grows.
func start(log *os.File, name string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(name, args...), url: make(chan string, 1), ended: make(chan struct{})}
	said, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", path.Base(name), err)
	}
	go func() {
		defer close(s.ended)
		found := false
		for lines := bufio.NewScanner(said); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if i := strings.LastIndex(lines.Text(), " on http://"); i >= 0 && !found {
				found = true
				s.url <- lines.Text()[i+len(" on "):]
			}
		}
		s.err = s.cmd.Wait()
	}()
	return s, nil
}

// ready waits until it serves, and returns its URL.
func (s *server) ready() (string, error) {
	select {
	case url := <-s.url:
		return url, nil
	case <-s.ended:
		return "", fmt.Errorf("the server ended before it served: %v", s.err)
	case <-time.After(readyTime):
		return "", errors.Join(errors.New("the server does not serve"), s.kill())
	}
}

// kill ends the process at once, and returns when it is gone.
func (s *server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing the server: %w", err)
	}
	<-s.ended
	return nil
}

// httpDoor is the API of a server, which may be another one, or none, at any moment.
type httpDoor struct {
	url    atomic.Value // string
	client *http.Client
}

func newHTTPDoor() *httpDoor {
	d := &httpDoor{client: &http.Client{Timeout: answerTime, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	d.url.Store("http://127.0.0.1:1") // where nothing listens
	return d
}

// request returns an error unless the whole answer came.
func (d *httpDoor) request(ctx context.Context, method, path, body string, header ...string) (int, []byte, error) {
	url, _ := d.url.Load().(string)
	request, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := d.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

func (d *httpDoor) enqueue(ctx context.Context, task map[string]any) (r dispatch.Receipt, err error) {
	body, err := json.Marshal(task)
	if err != nil {
		return r, err
	}
	status, text, err := d.request(ctx, http.MethodPost, "/tasks", string(body))
	switch {
	case err != nil:
		return r, err
	case status == http.StatusOK || status == http.StatusCreated:
		if err := json.Unmarshal(text, &r); err != nil || r.ID != task["id"] {
			return r, fmt.Errorf("%w: %d %s", errWrong, status, text)
		}
		return r, nil
	case status >= 500:
		return r, fmt.Errorf("%d %s", status, bytes.TrimSpace(text))
	}
	return r, fmt.Errorf("%w: %d %s", errWrong, status, text)
}

func (d *httpDoor) cancel(ctx context.Context, id string) error {
	status, text, err := d.request(ctx, http.MethodDelete, "/tasks/"+id, "")
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		return nil
	case status == http.StatusConflict:
		return errNotNow
	case status >= 500:
		return fmt.Errorf("%d %s", status, bytes.TrimSpace(text))
	}
	return fmt.Errorf("%w: cancelling %s: %d %s", errWrong, id, status, text)
}
