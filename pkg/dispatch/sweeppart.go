package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Part is one of those that a tick is divided into when far more is due than one run hands over soon. Each is swept by a run
// of its own, and has the lanes whose place in the order of all that are divided is its number modulo Of.
type Part struct {
	Number int       `json:"part"`         // from 0, below Of
	Of     int       `json:"of"`           // parts of the tick, 2 to [MaxParts]
	End    time.Time `json:"end,omitzero"` // of the tick, when the next one divides anew; zero: a minute after the part begins
}

// MaxParts is how many parts a tick has at most: each hands over as much as one run does, to the same handles.
const MaxParts = 16

// Check says what is wrong with a part that somebody asked for.
func (p Part) Check() error {
	if p.Of < 2 || p.Of > MaxParts {
		return fmt.Errorf("of must be from 2 to %d, not %d", MaxParts, p.Of)
	}
	if p.Number < 0 || p.Number >= p.Of {
		return fmt.Errorf("part must be from 0 to %d, not %d", p.Of-1, p.Number)
	}
	return nil
}

// Tick is Run, but it looks first how much is due. From Backlog tasks on it divides the lanes among up to Parts runs, which
// share Limit, keeps one part and invokes the others, once. It keeps also those that cannot be invoked, and the lanes that are
// never divided: of paused queues, and of those with limits or a sweepLimit, by tenant too. Nothing rests on the parts: each
// tick keeps another, so that ticks alone sweep every lane in as many minutes as there are parts, whatever becomes of those.
// Priorities order what one run hands over, not the parts.
func (s *Sweep) Tick(ctx context.Context) (SweepReport, error) {
	t := s.tick()
	t.divide(ctx)
	return t.sweep(ctx)
}

// RunPart sweeps one part until its tick ends; after that it does nothing. The error is Check's, or as Run's.
func (s *Sweep) RunPart(ctx context.Context, p Part) (SweepReport, error) {
	if err := p.Check(); err != nil {
		return SweepReport{}, err
	}
	t := s.tick()
	if !p.End.IsZero() && p.End.Before(t.end) {
		t.end = p.End
	}
	if !t.begin.Before(t.end) {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a part came after its tick", slog.Int("part", p.Number), slog.Time("end", p.End))
		return SweepReport{}, nil
	}
	mine := make([]bool, p.Of)
	mine[p.Number] = true
	t.keep(share{parts: mine})
	return t.sweep(ctx)
}

// share says which lanes a run sweeps; the zero value: all of them.
type share struct {
	parts []bool // of all parts, those that are this run's; nil: the tick is not divided
	rest  bool   // and the lanes that are not divided
}

// divide looks for a backlog, and has others sweep parts of it.
func (t *tick) divide(ctx context.Context) {
	if t.Parts < 2 || t.InvokePart == nil || t.Limit < t.Backlog {
		return
	}
	settings, err := t.Settings(ctx)
	if err != nil {
		return // the first look fails too, and says so
	}
	divided, lanes := settings.divided()
	of := min(t.Parts, MaxParts, lanes)
	if of < 2 || !t.behind(ctx, settings, divided) {
		return
	}
	mine := make([]bool, of)
	mine[t.minute()%of] = true
	var wg sync.WaitGroup
	for i := range mine {
		if mine[i] {
			continue
		}
		wg.Go(func() {
			if err := t.InvokePart(ctx, Part{Number: i, Of: of, End: t.end}); err != nil {
				t.Log.LogAttrs(ctx, slog.LevelWarn, "a part was not invoked; the tick keeps it", slog.Int("part", i), slog.Any("error", err))
				mine[i] = true
			}
		})
	}
	wg.Wait()
	t.Log.LogAttrs(ctx, slog.LevelInfo, "backlog: the tick is divided", slog.Int("parts", of))
	t.keep(share{parts: mine, rest: true})
}

// keep has the run sweep a share. It looks to the end of its minute, because nobody else does for these lanes.
func (t *tick) keep(s share) {
	n := 0
	for _, mine := range s.parts {
		if mine {
			n++
		}
	}
	t.share = s
	t.limit.set(max(1, (t.Limit*n+len(s.parts)-1)/len(s.parts)))
	t.activate()
}

// behind reports whether about so many tasks are due in the lanes that are divided as make a backlog.
func (t *tick) behind(ctx context.Context, settings Settings, divided []dividedLanes) bool {
	var due atomic.Int64
	var wg sync.WaitGroup
	for len(divided) > 0 {
		n := 1
		for n < len(divided) && divided[n].tenant == divided[0].tenant {
			n++
		}
		ofOne := divided[:n]
		divided = divided[n:]
		wg.Go(func() {
			for _, d := range ofOne {
				due.Add(int64(t.dueIn(ctx, settings.lanesOf(d.queue, d.tenant))))
			}
		})
	}
	wg.Wait()
	return due.Load() >= int64(t.Backlog)
}

// dueIn estimates how many tasks are due in the lanes of a queue, not much more than make a backlog, by reading one: ids are
// spread over them by a hash.
func (t *tick) dueIn(ctx context.Context, lanes []string) int {
	most := (t.Backlog + len(lanes) - 1) / len(lanes)
	n := 0
	for _, err := range t.Store.Due(ctx, lanes[t.minute()%len(lanes)], t.begin) {
		if err != nil { // as above
			break
		}
		if n++; n >= most {
			break
		}
	}
	return n * len(lanes)
}

// minute numbers the ticks.
func (t *tick) minute() int { return int(t.begin.Unix() / int64(tickEvery/time.Second)) }

// dividedLanes are the lanes of a queue that a tenant has for itself, or, of "", that all others share.
type dividedLanes struct {
	tenant, queue string
	first, n      int // the place of the first of them, and how many they are
}

// divided returns the lanes that a tick may divide, in the order of their places, and how many they are. Where calls are
// counted, or a sweep's hints, or a queue is paused, one run must see all: it hands over what the limit allows.
func (s Settings) divided() (all []dividedLanes, lanes int) {
	queues := s.QueueNames()
	for _, tenant := range append([]string{""}, s.TenantNames()...) {
		for _, queue := range queues {
			if s.Queues[queue].SweepLimit > 0 || !s.plain(queue, tenant) || s.asksTenants(queue, tenant) {
				continue
			}
			n := s.lanesIn(queue, tenant)
			all = append(all, dividedLanes{tenant, queue, lanes, n})
			lanes += n
		}
	}
	return all, lanes
}

// mine returns the lanes of each queue that this one sweeps.
func (r *sweeping) mine(settings Settings) map[string][]string {
	lanes := map[string][]string{}
	if r.share.parts == nil || r.share.rest {
		for queue := range settings.Queues {
			lanes[queue] = settings.lanesOf(queue, r.tenant)
		}
	}
	if r.share.parts == nil {
		return lanes
	}
	all, _ := settings.divided()
	for _, d := range all {
		if d.tenant != r.tenant {
			continue
		}
		var mine []string
		for i, lane := range settings.lanesOf(d.queue, d.tenant) {
			if r.share.parts[(d.first+i)%len(r.share.parts)] {
				mine = append(mine, lane)
			}
		}
		lanes[d.queue] = mine
	}
	return lanes
}
