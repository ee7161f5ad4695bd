package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/receiver"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

// narrator tells what happens, a line each. It is the server's log: whatever a server logs for machines is
// told here to a person.
type narrator struct {
	out    io.Writer
	colour bool

	mu    sync.Mutex
	began time.Time
}

// colour is an ANSI one.
type colour string

const (
	plain  colour = ""
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	red    colour = "\x1b[31m"
	grey   colour = "\x1b[90m"
	reset         = "\x1b[0m"
)

func newNarrator(out io.Writer, colour bool) *narrator {
	return &narrator{out: out, colour: colour, began: time.Now()}
}

func (n *narrator) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.began = time.Now()
}

func (n *narrator) title(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.out, text)
}

func (n *narrator) line(id string, c colour, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.colour && c != plain {
		text = string(c) + text + reset
	}
	fmt.Fprintf(n.out, "%5.1f s  %-18s  %s\n", time.Since(n.began).Seconds(), id, text)
}

func (n *narrator) received(c receiver.Call) {
	n.line(c.ID, grey, fmt.Sprintf("receiver: %s %s, attempt %s, %s; it answers %d %s",
		c.Method, view.Plain(c.Path, 60), c.Attempt, c.Signature, c.Status, http.StatusText(c.Status)))
}

// Enabled implements [slog.Handler].
func (n *narrator) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithAttrs implements [slog.Handler].
func (n *narrator) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup implements [slog.Handler].
func (n *narrator) WithGroup(string) slog.Handler { return n }

// Handle implements [slog.Handler].
func (n *narrator) Handle(_ context.Context, r slog.Record) error {
	a := map[string]slog.Value{}
	r.Attrs(func(one slog.Attr) bool { a[one.Key] = one.Value.Resolve(); return true })
	id := a["id"].String()
	switch r.Message {
	case "attempt":
		n.attempt(id, a)
	case "task failed":
		n.line(id, red, fmt.Sprintf("=> %s: %s", a["state"], a["reason"]))
	default:
		n.line(id, yellow, r.Message)
	}
	return nil
}

func (n *narrator) attempt(id string, a map[string]slog.Value) {
	switch dispatch.Outcome(a["outcome"].String()) {
	case dispatch.OutcomeDelivered:
		n.line(id, green, fmt.Sprintf("=> delivered by attempt %s", a["attempt"]))
	case dispatch.OutcomeRetry:
		next, now := a["next"], time.Now() // absent where the task has ended: the line that follows says so
		if next.Kind() == slog.KindTime && next.Time().Sub(now) > pollTime {
			n.line(id, yellow, fmt.Sprintf("attempt %s failed; the next one %s", a["attempt"], view.When(next.Time(), now)))
		}
	case dispatch.OutcomeWait:
		n.line(id, yellow, "the receiver said: not yet")
	}
}
