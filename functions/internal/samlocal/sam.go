package samlocal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	region     = "eu-west-1"
	lambdaTime = 2 * time.Minute  // for the start of Lambda's API
	invokeTime = 11 * time.Minute // for an invocation: more than any function has
)

// The functions, by their names in the template.
const (
	Enqueue = "EnqueueFunction"
	Sweep   = "SweepFunction"
	Handle  = "HandleFunction"
	Keys    = "KeysFunction" // which a deployed stack has only where it publishes its keys
)

// architecture is this machine's, as the template's parameter has it.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "Architecture=arm64"
	}
	return "Architecture=x86_64"
}

// overrides are the template's parameters, which samconfig.toml's are not merged with.
func overrides() []string {
	return []string{"--parameter-overrides", architecture(), "AllowedNetworks=172.16.0.0/12,192.168.65.0/24"}
}

// environment is that of the programs that are run, without credentials of the real AWS: containers would get them.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "AWS_") {
			kept = append(kept, variable)
		}
	}
	return append(kept, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_DEFAULT_REGION="+region,
		"SAM_CLI_TELEMETRY=0", "CGO_ENABLED=0", "GOFLAGS=-trimpath -tags=lambda.norpc -ldflags=-s -buildvcs=false")
}

// build builds the functions into .aws-sam.
func (s *System) build(ctx context.Context) error {
	return s.run(ctx, nil, "sam", append([]string{"build", "--config-env", "local"}, overrides()...)...)
}

// run runs a program to its end in the repository. What it says goes to the log; what it answers to stdout, if not nil.
func (s *System) run(ctx context.Context, stdout io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.options.Root, environment(), s.options.Log, s.options.Log
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTime
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %s: %w", name, args[0], err)
	}
	return nil
}

func (s *System) startLambda(ctx context.Context) error {
	cmd := exec.Command("sam", append([]string{
		"local", "start-lambda", "--config-env", "local", "--host", s.Address, "--port", strconv.Itoa(s.options.LambdaPort),
		"--env-vars", s.settings, "--skip-pull-image",
	}, overrides()...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.options.Root, environment(), s.options.Log, s.options.Log
	var err error
	if s.lambda, err = start("Lambda's API", cmd); err != nil {
		return err
	}
	return s.lambda.answers(ctx, s.Lambda(), lambdaTime)
}

// answers waits until the process answers at the URL, whatever it answers.
func (p *process) answers(ctx context.Context, url string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("asking %s: %w", p.name, err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it answered: %v", p.name, p.err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to answer at %s: %w", p.name, url, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// InvokeFile invokes a function with `sam local invoke`, in a container of its own, and returns its answer, or the
// error that Lambda would answer with. On a very busy machine SAM was seen to end a container without an answer: then
// it tries again, and says so in the log.
func (s *System) InvokeFile(ctx context.Context, function, eventFile string) ([]byte, error) {
	for range fileTries {
		answer, err := s.invokeFile(ctx, function, eventFile)
		if err != nil || len(answer) > 0 {
			return answer, err
		}
		fmt.Fprintf(s.options.Log, "%s did not answer; trying again\n", function)
	}
	return nil, fmt.Errorf("invoking %s: no answer", function)
}

const fileTries = 3

func (s *System) invokeFile(ctx context.Context, function, eventFile string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, invokeTime)
	defer cancel()
	var answer bytes.Buffer
	err := s.run(ctx, &answer, "sam", append([]string{
		"local", "invoke", function, "--config-env", "local", "--event", eventFile, "--env-vars", s.settings, "--skip-pull-image",
	}, overrides()...)...)
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	return bytes.TrimSpace(answer.Bytes()), nil
}

// Invoke invokes a function through Lambda's API and returns its answer, or the error that Lambda would answer with.
func (s *System) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, invokeTime)
	defer cancel()
	url := s.Lambda() + "/2015-03-31/functions/" + function + "/invocations"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", response.Status, answer)
	}
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	return answer, nil
}

// writeVariables writes the file that SAM reads the functions' variables from. "Parameters" are for all functions; each
// gets those that the template declares for it.
func writeVariables(path string, variables map[string]string) error {
	b, err := json.Marshal(map[string]any{"Parameters": variables})
	if err == nil {
		err = os.WriteFile(filepath.Clean(path), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the functions' variables: %w", err)
	}
	return nil
}
