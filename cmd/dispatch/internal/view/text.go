package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"example.com/dispatch/pkg/dispatch"
)

// Table writes tasks as aligned columns, one line each; their tenants if any has one.
func Table(w io.Writer, tasks []Task, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	tenants := slices.ContainsFunc(tasks, func(v Task) bool { return v.Tenant != "" })
	queue := func(queue, tenant string) string {
		if tenants {
			return queue + "\t" + tenant
		}
		return queue
	}
	fmt.Fprintf(t, "ID\tSTATE\t%s\tATTEMPTS\tWHEN\tREQUEST\tREASON\n", queue("QUEUE", "TENANT"))
	for _, v := range tasks {
		request := ""
		switch {
		case v.Type != "":
			request = "type " + v.Type
		case v.Request != nil:
			request = v.Request.Method + " " + v.Request.URI
		}
		state, reason := v.state()
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", v.ID, state, queue(v.Queue, v.Tenant), v.Attempts, v.when(now), Plain(request, 60), Plain(reason, 80))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func (v Task) state() (state, reason string) {
	switch {
	case !v.LeasedUntil.IsZero():
		return "in flight", v.Error
	case v.Cancelling:
		return string(v.State), "cancelled: it ends at its turn"
	case !v.WaitingSince.IsZero():
		return "waiting", v.Error
	case v.State == dispatch.Scheduled:
		return string(v.State), v.Error
	default:
		return string(v.State), v.Reason
	}
}

func (v Task) when(now time.Time) string {
	if v.State.Final() {
		return When(v.EndedAt, now)
	}
	switch {
	case v.State == dispatch.Held:
		return ""
	case v.DueAt.Before(now):
		return "due"
	}
	return When(v.DueAt, now)
}

// Plain returns a text that cannot steer a terminal, of at most most characters.
func Plain(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			return b.String() + "…"
		}
		if !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
	}
	return b.String()
}
