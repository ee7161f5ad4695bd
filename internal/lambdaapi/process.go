package lambdaapi

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const region = "us-east-1"

// Process is a process of a function. It lives until it is killed.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a process of a built function, with a name of its own and these variables besides those of Lambda. What it
// writes goes to output.
func (s *Server) Start(output io.Writer, program, function, name string, variables ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(program), ended: make(chan struct{})}
	p.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(s.URL, "http://") + "/runtime/" + function + "/" + name, "AWS_LAMBDA_FUNCTION_NAME=" + function,
		"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
		"AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_LAMBDA=" + s.URL,
	}, variables...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait() // how it ended is in its state
		s.died(function, name)
	}()
	return p, nil
}

// died ends what a process has taken.
func (s *Server) died(function, process string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.taken {
		if one.function == function && one.process == process {
			s.ended(one, result{[]byte(`{"errorType": "Runtime.ExitError"}`), true})
		}
	}
}

// Kill ends the process at once, and returns when it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.Name, err)
	}
	<-p.ended
	return nil
}

// CPU returns the processor time that a killed process had, of user and system.
func (p *Process) CPU() time.Duration {
	<-p.ended
	return p.cmd.ProcessState.SystemTime() + p.cmd.ProcessState.UserTime()
}
