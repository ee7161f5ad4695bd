package local

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const mainClass = "software.amazon.dynamodb.services.local.main.ServerRunner"

// watchdog runs a command and kills it once standard input ends, so that it dies with this process, however
// that dies. Shells give background commands an empty standard input: hence the copy at 3.
const watchdog = `exec 3<&0; "$@" & child=$!; { cat <&3 >/dev/null; kill -9 $child; } 2>/dev/null & wait $child`

// Server is a running DynamoDB Local: one database for all credentials and regions.
type Server struct {
	Endpoint string // http://127.0.0.1:<port>

	stdin io.Closer
	done  chan struct{}
	err   error // of the process, valid once done is closed
}

// Start fetches DynamoDB Local if need be, starts it on the port (0: any that is free) and returns once it
// answers. Its data is in memory, or in a folder that is there; in that it finds what another left. It writes what it
// says to log. It runs until [Server.Close] or the death of this process.
func Start(ctx context.Context, port int, folder string, log io.Writer) (*Server, error) {
	home, err := Fetch(ctx)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	data := []string{"-inMemory"}
	if folder != "" {
		data = []string{"-dbPath", folder}
	}
	java := exec.Command("sh", append([]string{"-c", watchdog, "sh", "java", "-Djava.library.path=" + home,
		"-cp", filepath.Join(home, "*"), mainClass,
		"-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port)}, data...)...)
	java.Stdout, java.Stderr = log, log
	java.WaitDelay = time.Second
	stdin, err := java.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making the pipe to DynamoDB Local: %w", err)
	}
	if err := java.Start(); err != nil {
		return nil, fmt.Errorf("starting DynamoDB Local: %w", err)
	}
	s := &Server{Endpoint: "http://127.0.0.1:" + strconv.Itoa(port), stdin: stdin, done: make(chan struct{})}
	go func() {
		s.err = java.Wait()
		close(s.done)
	}()
	if err := s.ready(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Wait returns once the process has ended.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Close ends the process.
func (s *Server) Close() {
	s.stdin.Close()
	<-s.done
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, nil)
		if err != nil {
			return fmt.Errorf("asking DynamoDB Local: %w", err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("DynamoDB Local ended before it answered: %v", s.err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for DynamoDB Local to answer: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
