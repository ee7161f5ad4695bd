package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"golang.org/x/sys/unix"
)

// room is how a disk has, or has no, room for a server's file.
type room interface {
	start(log *os.File, program string, args ...string) (*server, error)
	take(s *server) error // leaves no room
	give(s *server) error // leaves as much as can be
	refusal() (status int, detail string)
	read(s *server) func(context.Context) (map[string]dispatch.Task, error) // all tasks
}

// limited is a limit on the size of files (RLIMIT_FSIZE), beyond which writes fail with EFBIG.
type limited struct{ folder string }

func (l limited) start(log *os.File, program string, args ...string) (*server, error) {
	return start(log, program, append(args, "--db", filepath.Join(l.folder, "dispatch.db"))...)
}

func (l limited) read(*server) func(context.Context) (map[string]dispatch.Task, error) {
	return storedIn(filepath.Join(l.folder, "dispatch.db"))
}

func (l limited) refusal() (int, string) {
	return http.StatusServiceUnavailable, "cannot be written to"
}

func (l limited) take(s *server) error {
	info, err := os.Stat(filepath.Join(l.folder, "dispatch.db-wal"))
	if err != nil {
		return fmt.Errorf("reading how large the log is: %w", err)
	}
	return l.limit(s, uint64(info.Size()))
}

func (l limited) give(s *server) error { return l.limit(s, unix.RLIM_INFINITY) }

// limit changes the limit of a process. What may be changed back without any right is the soft one.
func (l limited) limit(s *server, size uint64) error {
	err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil)
	if err != nil {
		return fmt.Errorf("limiting the size of files: %w", err)
	}
	return nil
}

// mounted is a small disk in memory (tmpfs) that the server alone sees, where writes fail with ENOSPC. It needs user
// namespaces.
type mounted struct{ folder string }

// mountedSize is more than the tasks of a run need, by far: what fills it is the ballast.
const mountedSize = "400m"

// mayMount reports whether this user may mount.
func mayMount(ctx context.Context) bool {
	return exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--mount", "true").Run() == nil
}

func (m mounted) start(log *os.File, program string, args ...string) (*server, error) {
	const mount = `mount -t tmpfs -o size=` + mountedSize + `,mode=0700 tmpfs "$0" && exec "$@"`
	command := []string{"--user", "--map-root-user", "--mount", "sh", "-c", mount, m.folder, program}
	return start(log, "unshare", append(append(command, args...), "--db", filepath.Join(m.folder, "dispatch.db"))...)
}

func (m mounted) refusal() (int, string) { return http.StatusInsufficientStorage, "disk is full" }

// read reads a copy, made while the server stands still: SQLite would follow the way into the server's disk to the
// same path of this process.
func (m mounted) read(s *server) func(context.Context) (map[string]dispatch.Task, error) {
	return func(ctx context.Context) (map[string]dispatch.Task, error) {
		into, err := os.MkdirTemp(filepath.Dir(m.folder), "copy-")
		if err != nil {
			return nil, fmt.Errorf("making a folder: %w", err)
		}
		defer os.RemoveAll(into)
		if err := s.cmd.Process.Signal(unix.SIGSTOP); err != nil {
			return nil, fmt.Errorf("stopping the server: %w", err)
		}
		for _, name := range []string{"dispatch.db", "dispatch.db-wal"} {
			var text []byte
			if text, err = os.ReadFile(m.seen(s, name)); err == nil {
				err = os.WriteFile(filepath.Join(into, name), text, 0o600)
			}
			if err != nil {
				break
			}
		}
		if err := errors.Join(err, s.cmd.Process.Signal(unix.SIGCONT)); err != nil {
			return nil, fmt.Errorf("copying the store: %w", err)
		}
		return storedIn(filepath.Join(into, "dispatch.db"))(ctx)
	}
}

// seen is where this process sees a file of the server's disk.
func (m mounted) seen(s *server, name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", s.cmd.Process.Pid), m.folder, name)
}

func (m mounted) take(s *server) error {
	f, err := os.OpenFile(m.seen(s, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("filling the disk: %w", err)
	}
	_, err = io.Copy(f, zeros{})
	if err = errors.Join(err, f.Close()); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("filling the disk: %w", err)
	}
	return nil
}

func (m mounted) give(s *server) error { return os.Remove(m.seen(s, "ballast")) }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return min(len(b), 4096), nil }

const (
	// fullFor is how long there is no room at most; less than leases last, so that nothing lapses.
	fullFor  = time.Second
	roomyFor = time.Second
	// changeTime is how long it may take until answers are others.
	changeTime = 20 * time.Second
)

func limitedDisk(ctx context.Context, o options) (*report, error) {
	return disk(ctx, o, "a limit on the size of files", limited{o.folder})
}

func mountedDisk(ctx context.Context, o options) (*report, error) {
	if !mayMount(ctx) {
		return &report{title: "dispatch serve on a full disk: left out, it needs user namespaces"}, nil
	}
	folder := filepath.Join(o.folder, "disk")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return &report{}, fmt.Errorf("making a folder to mount: %w", err)
	}
	return disk(ctx, o, "a full disk", mounted{folder})
}

// disk takes the room from a server again and again, under load.
func disk(ctx context.Context, o options, how string, room room) (r *report, err error) {
	r = &report{title: fmt.Sprintf("dispatch serve without room %d times, by %s (seed %d)", o.cycles, how, o.seed)}
	program, err := build(ctx, o.folder, "example.com/dispatch/cmd/dispatch")
	if err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(o.folder, "log"))
	if err != nil {
		return r, fmt.Errorf("making the log: %w", err)
	}
	defer log.Close()
	to := newReceiver()
	defer to.Close()
	s, err := room.start(log, program, "serve", "--listen", "127.0.0.1:0", "--workers", fmt.Sprint(killWorkers))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.kill()) }()
	door := newHTTPDoor()
	url, err := s.ready()
	if err != nil {
		return r, err
	}
	door.url.Store(url)
	l := &load{door: door, receiver: to.URL, pause: 5 * time.Millisecond, seed: o.seed}
	if status, text, err := door.request(ctx, http.MethodPut, "/settings", l.settings(), "If-Match", "*"); err != nil || status != http.StatusOK {
		return r, fmt.Errorf("saving the settings: %d %s, %v", status, text, err)
	}
	loading, stop := context.WithCancel(ctx)
	produced := make(chan struct{})
	go func() { l.run(loading, killProducers); close(produced) }()
	defer func() { stop(); <-produced }()
	chance := rand.New(rand.NewPCG(o.seed, 0))
	for i := range o.cycles {
		if err := without(ctx, i, s, room, door, to.URL, chance); err != nil {
			r.violate("%v", err)
			break
		}
	}
	stop()
	<-produced
	rows, err := awaitEnd(ctx, room.read(s), endTime)
	if err != nil {
		r.violate("%v", err)
	}
	r.add("times without room, and then with room again", o.cycles)
	r.add("requests refused or unanswered", l.refused)
	status, detail := room.refusal()
	r.add(fmt.Sprintf("of them, one each time, held to status %d and %q", status, detail), o.cycles)
	for _, err := range l.wrong {
		r.violate("%v", err)
	}
	evidence{asked: l.asked, calls: to.calls(), rows: rows, workers: killWorkers}.check(r)
	return r, ctx.Err()
}

// without takes the room, waits until tasks are refused, clearly, and gives it back: then they are taken again.
func without(ctx context.Context, cycle int, s *server, room room, door *httpDoor, to string, chance *rand.Rand) error {
	if err := room.take(s); err != nil {
		return err
	}
	probes := 0
	probe := func() (int, string, error) { // large, so that it needs room of its own; not due before it is cancelled
		probes++
		body := fmt.Sprintf(`{"id": "probe-%d-%d", "uri": %q, "delay": 315360000, "body": %q}`, cycle, probes, to+answers, strings.Repeat("x", 100<<10))
		status, text, err := door.request(ctx, http.MethodPost, "/tasks", body)
		return status, string(text), err
	}
	want, detail := room.refusal()
	begun := time.Now()
	for {
		status, text, err := probe()
		if err == nil && status == want && strings.Contains(text, detail) {
			break
		}
		if time.Since(begun) > changeTime {
			return fmt.Errorf("without room a task is answered %d %s, %v", status, text, err)
		}
	}
	if status, text, err := door.request(ctx, http.MethodGet, "/healthz", ""); err != nil || status != http.StatusOK {
		return fmt.Errorf("without room reading fails: %d %s, %v", status, text, err)
	}
	time.Sleep(time.Duration(chance.Int64N(int64(fullFor))))
	if err := room.give(s); err != nil {
		return err
	}
	defer func() { time.Sleep(time.Duration(chance.Int64N(int64(roomyFor)))) }()
	begun = time.Now()
	for {
		status, text, err := probe()
		if err == nil && status == http.StatusCreated {
			break
		}
		if time.Since(begun) > changeTime {
			return fmt.Errorf("with room again a task is answered %d %s, %v", status, text, err)
		}
	}
	for n := range probes { // those that were refused may be there too
		status, text, err := door.request(ctx, http.MethodDelete, fmt.Sprintf("/tasks/probe-%d-%d", cycle, n+1), "")
		if err != nil || status != http.StatusOK && status != http.StatusNotFound {
			return fmt.Errorf("cancelling a task: %d %s, %v", status, text, err)
		}
	}
	return nil
}
