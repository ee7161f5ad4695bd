package dispatch

import (
	"slices"
	"time"
)

// after returns the task as a verdict on its i-th target leaves it.
func (t Task) after(d Doc, i int, v verdict) Task {
	if len(d.Targets) <= 1 {
		if v.outcome != "" { // there was an attempt
			t.Progress = []Progress{v.progress}
		}
		if v.state != "" {
			return t.finish(v.state, v.reason, v.at)
		}
		t.DueAt = v.at
		return t
	}
	p := v.progress
	if v.state == "" {
		p.NextAt = v.at
		return t.with(d, i, p).sum(d)
	}
	p.State, p.EndedAt, p.NextAt = v.state, roundUp(v.at), time.Time{}
	if v.reason != "" {
		p.Error = Shorten(v.reason)
	}
	return t.with(d, i, p).sum(d)
}

// with returns the task with other progress of its i-th target, one of several. t's own is not changed.
func (t Task) with(d Doc, i int, p Progress) Task {
	all := make([]Progress, len(d.Targets))
	copy(all, t.Progress)
	all[i] = p
	t.Progress = all
	return t
}

// ends returns the task as it is once its i-th target has ended without a call.
func (t Task) ends(d Doc, i int, s State, reason string, now time.Time) Task {
	return t.after(d, i, verdict{progress: t.progress(i), state: s, reason: reason, at: now})
}

// putOff returns the task with the next call of its i-th target at a later time, and nothing counted.
func (t Task) putOff(d Doc, i int, at time.Time) Task {
	return t.after(d, i, verdict{progress: t.progress(i), at: roundUp(at)})
}

// endAll ends all targets that are open, for one reason.
func (t Task) endAll(d Doc, s State, reason string, now time.Time) Task {
	for i := range max(1, len(d.Targets)) {
		if t.progress(i).State == "" {
			t = t.ends(d, i, s, reason, now)
		}
	}
	return t
}

// sum returns the task as its several targets make it: due when the first open one is; final when none is
// open, in the state of the first that failed; else delivered, unless its rule refused every one.
func (t Task) sum(d Doc) Task {
	open, failed, delivered := []int{}, -1, false
	end := time.Time{}
	for i, p := range t.Progress {
		switch {
		case p.State == "":
			open = append(open, i)
		case p.State == Delivered:
			delivered = true
		case p.State.Failed() && (failed < 0 || p.EndedAt.Before(t.Progress[failed].EndedAt)):
			failed = i
		}
		if p.EndedAt.After(end) {
			end = p.EndedAt
		}
	}
	switch {
	case len(open) > 0:
		first := slices.MinFunc(open, func(a, b int) int { return t.Progress[a].NextAt.Compare(t.Progress[b].NextAt) })
		if next := t.Progress[first].NextAt; !next.IsZero() {
			t.DueAt = next
		}
		return t
	case failed >= 0:
		return t.finish(t.Progress[failed].State, d.Targets[failed].Name+": "+t.Progress[failed].Error, end)
	case delivered:
		return t.finish(Delivered, "", end)
	default:
		return t.finish(Skipped, t.refusal(), end)
	}
}

// refusal says why all targets were skipped.
func (t Task) refusal() string {
	first := t.Progress[0].Error
	if slices.ContainsFunc(t.Progress, func(p Progress) bool { return p.Error != first }) {
		return "refused by the rule of every target"
	}
	return first
}

// open returns which of the task's targets are to be called at now.
func (t Task) open(d Doc, now time.Time) []int {
	var due []int
	for i := range d.Targets {
		if p := t.progress(i); p.State == "" && !p.NextAt.After(now) {
			due = append(due, i)
		}
	}
	return due
}

// again returns what is kept of the progress when a task runs again: of several targets, those that are done,
// unless all are, or none. They are not called again, and their attempts were the last run's.
func again(all []Progress) []Progress {
	done := func(p Progress) bool { return p.State == Delivered || p.State == Skipped }
	open := func(p Progress) bool { return !done(p) }
	if !slices.ContainsFunc(all, done) || !slices.ContainsFunc(all, open) {
		return nil
	}
	kept := make([]Progress, len(all))
	for i, p := range all {
		if done(p) {
			p.Attempts = 0
			kept[i] = p
		}
	}
	return kept
}
