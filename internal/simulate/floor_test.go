package simulate

import (
	"context"
	"errors"
	"flag"
	"iter"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

var floorSeeds = flag.Uint64("floor-seeds", 40, "how many runs of each way to write less in TestFloor")

// TestFloor tries what it would take to deliver a task with two writes instead of five: rows that are due now stay out of
// the index of lanes (two writes less), and are claimed without a write (one less). Every violation is counted, none ends a
// run. The product keeps none of these ways: each breaks the promise, and the test fails should one no longer show it.
func TestFloor(t *testing.T) {
	for _, c := range []struct {
		name                     string
		laneless, audited, unled bool
		lost, doubled            bool // wanted
	}{
		{name: "as it is: 5 writes"},
		{name: "due now without a lane: 3 writes", laneless: true, lost: true},
		{name: "the same, with an audit at every tick", laneless: true, audited: true},
		{name: "claimed without a write: 4 writes", unled: true, doubled: true},
		{name: "both, with an audit at every tick: 2 writes", laneless: true, audited: true, unled: true, doubled: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &tally{kinds: map[string]int{}}
			d := defect{note: n.violation, call: n.lateness}
			if c.laneless {
				d.door = withoutLane
			}
			d.store = func(s dispatch.Store, p *process) dispatch.Store {
				if c.audited {
					s = audited{s}
				}
				if c.unled {
					s = claimsNothing(s)
				}
				return s
			}
			n.run(t, options{defect: d}, *floorSeeds)
			per := func(count int) float64 { return float64(count) * 1000 / float64(n.sum.Tasks) }
			t.Logf("of 1,000 tasks (%d in %d runs): lost %.2f, sent by two at once or after their end %.2f, the checker complained besides %.2f; more than a minute late %.1f, at most %v; %.2f calls a task",
				n.sum.Tasks, *floorSeeds, per(n.kinds["lost"]), per(n.kinds["doubled"]), per(n.kinds["other"]), per(n.late), n.latest.Round(time.Second), float64(n.sum.Calls)/float64(n.sum.Tasks))
			for kind, want := range map[string]bool{"lost": c.lost, "doubled": c.doubled} {
				if kind == "lost" && c.unled {
					continue // in many runs: no lapse is counted, so a task that kills its handlers is tried for ever
				}
				if got := n.kinds[kind] > 0; got != want {
					t.Errorf("%s: %d, want any: %v (%s)", kind, n.kinds[kind], want, n.first)
				}
			}
		})
	}
}

// tally counts what breaks the promise.
type tally struct {
	mu     sync.Mutex
	kinds  map[string]int
	first  string
	sum    figures
	late   int
	latest time.Duration
}

func (n *tally) run(t *testing.T, o options, seeds uint64) {
	next := make(chan uint64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := range next {
				r := runSeed(t, s, o)
				n.mu.Lock()
				n.sum.add(r.figures)
				n.mu.Unlock()
			}
		})
	}
	for s := range seeds {
		next <- s
	}
	close(next)
	wg.Wait()
}

// violation counts one by its kind. What the checker says of rows without a lane, and of calls without a lease, is the way
// that is tried, and no violation of the promise.
func (n *tally) violation(text string) {
	for _, own := range []string{"is scheduled, and in no lane", "under a lease that nobody took", "who does not hold it", "is called, and is not there"} {
		if strings.Contains(text, own) {
			return
		}
	}
	kind := "other"
	switch {
	case strings.Contains(text, "is lost"), strings.Contains(text, "has not ended"):
		kind = "lost"
	case strings.Contains(text, "at once"), strings.Contains(text, "is called after it ended"):
		kind = "doubled"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kinds[kind]++
	if n.first == "" {
		n.first = text
	}
}

// lateness notes how late each task's first call is.
func (n *tally) lateness(_ *process, h *dispatch.Handle) {
	send := h.Send
	h.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if c.Attempt == 1 && c.Task.Group == "" && c.Task.Lapses == 0 {
			n.mu.Lock()
			if late := time.Since(c.Task.DueAt); late > time.Minute {
				n.late++
				n.latest = max(n.latest, late)
			}
			n.mu.Unlock()
		}
		return send(ctx, c)
	}
}

// withoutLane has rows that are put when they are due already stay out of the index.
func withoutLane(w *world, p *process, in any) (any, error) {
	put, ok := in.(*dynamodb.PutItemInput)
	if !ok || p == nil || !strings.HasPrefix(p.name, "enqueue") || text(put.Item, "state") != "scheduled" || number(put.Item, "dueAt") > dispatch.Millis(p.now()) {
		return w.do(p, in)
	}
	changed := *put
	changed.Item = maps.Clone(put.Item)
	changed.Item["home"] = put.Item["lane"]
	delete(changed.Item, "lane")
	return w.do(p, &changed)
}

// audited is a store in whose lanes rows are found as well that are not in the index: the whole table is read for it.
type audited struct{ dispatch.Store }

func (a audited) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		seen := map[string]bool{}
		for h, err := range a.Store.Due(ctx, lane, upTo) {
			seen[h.ID] = true
			if !yield(h, err) {
				return
			}
		}
		for t, err := range a.List(ctx, dispatch.Filter{State: dispatch.Scheduled}) {
			if err != nil {
				yield(dispatch.Hint{}, err)
				return
			}
			if t.Lane == lane && !seen[t.ID] && !t.DueAt.After(upTo) && !yield(t.Hint(), nil) {
				return
			}
		}
	}
}

// claimsNothing reads a task instead of claiming it, and settles it if nothing has written meanwhile: of tasks of one
// target, without a group or callbacks.
func claimsNothing(s dispatch.Store) dispatch.Store {
	var mu sync.Mutex
	read := map[string]int64{} // generations, by lease and id
	return dressed{
		Store: s,
		claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
			results := s.Get(ctx, ids)
			for i, r := range results {
				t := r.Task
				doc, err := dispatch.DecodeDoc(t.Doc)
				switch {
				case r.Err != nil:
				case err != nil || t.Group != "" || len(doc.Targets) > 0 || doc.OnFailure != nil || doc.OnSuccess != nil || t.Lease != "":
					results[i] = s.Claim(ctx, ids[i:i+1], l)[0]
				case t.State != dispatch.Scheduled || t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) || t.Timeout > l.Left:
					results[i].Err = dispatch.ErrRefused
				default:
					mu.Lock()
					read[l.Token+t.ID] = t.Generation
					mu.Unlock()
					t.Lease, t.Until = l.Token, l.At.Add(t.Timeout+dispatch.LeaseMargin)
					results[i].Task = t
				}
			}
			return results
		},
		settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
			mu.Lock()
			generation, ours := read[t.Lease+t.ID]
			mu.Unlock()
			if !ours {
				return s.Settle(ctx, t, callbacks...)
			}
			_, next, err := s.Edit(ctx, t.ID, func(row *dispatch.Task) error {
				if row.Generation != generation || row.State != dispatch.Scheduled || row.Lease != "" {
					return dispatch.ErrLeaseLost
				}
				row.State, row.Reason, row.EndedAt, row.DueAt, row.Lane = t.State, t.Reason, t.EndedAt, t.DueAt, t.Lane
				row.Identifier, row.Progress, row.Lapses, row.TTL = t.Identifier, t.Progress, t.Lapses, t.TTL
				return nil
			})
			if errors.Is(err, dispatch.ErrNotFound) {
				err = dispatch.ErrLeaseLost
			}
			return next, err
		},
	}
}
