package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"time"
)

// tally is what the receiver has seen: internal/bench's, in a process of its own.
type tally struct {
	Calls int             `json:"calls"`
	Last  time.Time       `json:"last"` // when the last call of those waited for came
	Late  []time.Duration `json:"late"` // from the instant in a call's URL to the call
}

// callAt returns the URL of a call that was asked for at an instant.
func callAt(receiver string, at time.Time) string {
	return fmt.Sprintf("%s/call?at=%d", receiver, at.UnixNano())
}

func startReceiver(ctx context.Context, p programs) (*process, error) {
	return begin(ctx, exec.CommandContext(ctx, p.bench, "-receive"), "listening on")
}

// awaitCalls waits until the receiver has had so many calls. Within a time that is over it fails.
func awaitCalls(ctx context.Context, receiver string, calls int, within time.Duration) (t tally, err error) {
	ctx, cancel := context.WithTimeout(ctx, within+readyTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/wait?calls=%d&within=%s", receiver, calls, within), nil)
	if err != nil {
		return t, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return t, fmt.Errorf("asking the receiver: %w", err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&t); err != nil {
		return t, fmt.Errorf("asking the receiver: %w", err)
	}
	if t.Calls < calls {
		return t, fmt.Errorf("%d of %d calls came within %v", t.Calls, calls, within)
	}
	return t, nil
}
