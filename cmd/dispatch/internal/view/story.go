package view

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Story writes all there is to know of a task, for a person.
func Story(w io.Writer, v Task, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("task", "%s", v.ID)
	line("queue", "%s", v.Queue)
	if v.Tenant != "" {
		line("tenant", "%s", v.Tenant)
	}
	if v.Run > 1 {
		line("run", "%d: it was run again by hand", v.Run)
	}
	if !v.CreatedAt.IsZero() {
		line("created", "%s", instant(v.CreatedAt, now))
	}
	v.ask(line)
	v.ties(line)
	if !v.ExpireAt.IsZero() {
		line("expires", "%s", instant(v.ExpireAt, now))
	}
	attempts(line, v.History, now)
	for _, one := range v.Targets {
		one.tell(line, now)
	}
	if v.Error != "" {
		name := "last error"
		if v.State == dispatch.Delivered {
			name = "note" // on what the receiver said
		}
		line(name, "%s", Plain(v.Error, 200))
	}
	v.next(line, now)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// ask tells what was asked.
func (v Task) ask(line func(name, format string, args ...any)) {
	if v.Request == nil || v.Policy == nil {
		line("request", "cannot be read")
		return
	}
	r := v.Request
	if v.Type != "" {
		line("type", "%s", v.Type)
	} else {
		goes(line, *r)
	}
	format := ""
	if r.Format != "" {
		format = fmt.Sprintf(" (%s)", r.Format)
	}
	if len(r.Body) > 0 {
		line("body", "%s%s", short(r.Body), format)
	}
	if len(r.Claims) > 0 {
		line("claims", "%s%s, sent as a JWT", short(r.Claims), format)
	}
	if v.Type == "" {
		judged(line, *v.Policy)
	}
}

// waiting says what a task waits for. A wait without an answer is that of a call that was not sent.
func waiting(since time.Time, history []Attempt, now time.Time) string {
	if n := len(history); n > 0 && history[n-1].Status == 0 {
		return fmt.Sprintf("waiting since %s: it cannot be sent", instant(since, now))
	}
	return fmt.Sprintf("waiting: the receiver has said \"not yet\" since %s", instant(since, now))
}

// tell tells of one of several targets.
func (v Target) tell(line func(name, format string, args ...any), now time.Time) {
	state := string(v.State)
	switch {
	case !v.WaitingSince.IsZero():
		state = waiting(v.WaitingSince, v.History, now)
	case v.State.Final() && !v.EndedAt.IsZero():
		state += ", " + instant(v.EndedAt, now)
	}
	if !v.NextAt.IsZero() {
		state += fmt.Sprintf("; attempt %d %s", v.Attempts+1, instant(v.NextAt, now))
	}
	line("target", "%s: %s", v.Name, state)
	goes(line, v.Request)
	if v.Sender != "" {
		line("sender", "%s", v.Sender)
	}
	if v.Policy.When != "" {
		line("rule", "%s", Plain(v.Policy.When, 500))
	}
	judged(line, v.Policy)
	attempts(line, v.History, now)
	if v.Reason != "" {
		line("reason", "%s", Plain(v.Reason, 200))
	}
}

// goes tells where a call goes.
func goes(line func(name, format string, args ...any), r Request) {
	line("request", "%s %s", r.Method, Plain(r.URI, 500))
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		line("", "%s: %s", name, Plain(r.Headers[name], 200))
	}
}

// judged tells what answers mean, and when there is another attempt.
func judged(line func(name, format string, args ...any), p Policy) {
	codes := "delivered by " + p.SuccessCodes.String()
	if len(p.StopCodes) > 0 {
		codes += ", stopped by " + p.StopCodes.String()
	}
	if len(p.WaitCodes) > 0 {
		codes += ", told to wait by " + p.WaitCodes.String()
	}
	line("answers", "%s", codes)
	redirects := ""
	if p.Redirects > 0 {
		redirects = fmt.Sprintf(", redirects followed: %d at most", p.Redirects)
	}
	line("policy", "%s, each given %s%s", policy(p.Attempts), Span(time.Duration(p.HTTPTimeout)*time.Second), redirects)
}

// attempts tells of the last ones.
func attempts(line func(name, format string, args ...any), history []Attempt, now time.Time) {
	for i, a := range history {
		name := "attempts"
		if i > 0 {
			name = ""
		}
		line(name, "%s  %s, after %s", instant(a.At, now), status(a.Status), time.Duration(a.TookMs)*time.Millisecond)
	}
}

func policy(a dispatch.Attempts) string {
	seconds := func(n int) string { return Span(time.Duration(n) * time.Second) }
	text := fmt.Sprintf("up to %s", counted(a.Limit))
	if len(a.Intervals) > 0 {
		parts := make([]string, len(a.Intervals))
		for i, n := range a.Intervals {
			parts[i] = seconds(n)
		}
		return text + ", apart by " + strings.Join(parts, ", ")
	}
	text += ", " + seconds(a.Interval) + " apart"
	if a.Backoff > 1 {
		text += fmt.Sprintf(", %v times as long after each", a.Backoff)
	}
	if a.MaxInterval > 0 {
		text += fmt.Sprintf(", %s at most", seconds(a.MaxInterval))
	}
	return text
}

// ties tells whom the task belongs to, and who is told of its end.
func (v Task) ties(line func(name, format string, args ...any)) {
	if v.Identifier != "" {
		line("identifier", "%s", v.Identifier)
	}
	if v.Group != "" {
		text := v.Group
		if v.Prev != "" {
			text += ", behind " + v.Prev
		}
		if v.Next != "" {
			text += ", before " + v.Next
		}
		if v.Policy != nil && v.Policy.GroupOnFailure == dispatch.Hold {
			text += "; if it fails it is held"
		}
		line("group", "%s", text)
	}
	if v.Policy == nil {
		return
	}
	for _, one := range []struct{ name, text string }{
		{"rule", v.Policy.When}, {"on failure", v.Policy.OnFailure}, {"on success", v.Policy.OnSuccess},
	} {
		if one.text != "" {
			line(one.name, "%s", Plain(one.text, 500))
		}
	}
}

// next tells where the task is now, and what comes next.
func (v Task) next(line func(name, format string, args ...any), now time.Time) {
	if v.Lapses > 0 {
		line("lapses", "%d: whoever handled it did not come back", v.Lapses)
	}
	switch {
	case v.State.Final():
		reason := ""
		if v.Reason != "" {
			reason = ": " + Plain(v.Reason, 200)
		}
		line("state", "%s%s", v.State, reason)
		line("ended", "%s, after %s that count", instant(v.EndedAt, now), counted(v.Attempts))
		line("next", "nothing; removed %s", When(v.RemovedAt, now))
	case !v.LeasedUntil.IsZero():
		line("state", "in flight: leased until %s", instant(v.LeasedUntil, now))
		line("next", "the answer to attempt %d", v.Attempts+1)
	case v.State == dispatch.Held:
		line("state", "held: %s", Plain(v.Reason, 200))
		line("next", "what a person decides: dispatch retry, skip or cancel")
	case v.Cancelling:
		line("state", "%s, and cancelled: it ends at its turn, without a call", v.State)
	case v.State == dispatch.Blocked:
		line("state", "blocked")
		line("next", "attempt %d, at its turn, not before %s", v.Attempts+1, instant(v.DueAt, now))
	default:
		state := string(v.State)
		if !v.WaitingSince.IsZero() {
			state = waiting(v.WaitingSince, v.History, now)
		}
		line("state", "%s", state)
		if v.DueAt.After(now) {
			line("next", "attempt %d, %s", v.Attempts+1, instant(v.DueAt, now))
		} else {
			line("next", "attempt %d, as soon as somebody is free: due since %s", v.Attempts+1, instant(v.DueAt, now))
		}
	}
	if v.Waits != "" {
		line("not yet", "%s", Plain(v.Waits, 500))
	}
}

func counted(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

func status(code int) string {
	if code == 0 {
		return "no answer"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

func instant(t, now time.Time) string {
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05"), When(t, now))
}

// short writes JSON in one line that is not too long.
func short(v json.RawMessage) string { return Plain(string(v), 200) }
