package simulate

import (
	"context"
	"maps"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// defect is what a run is made to do wrong, to see that it is found out. The zero value is none.
type defect struct {
	name  string
	seed  uint64                                            // the first that is tried, where no early one finds it
	door  func(w *world, p *process, in any) (any, error)   // instead of [world.do]
	store func(s dispatch.Store, p *process) dispatch.Store // around every process's store
	call  func(p *process, h *dispatch.Handle)              // to every handle
	tick  func(p *process, s *dispatch.Sweep)               // instead of what a tick has its sweep do
	note  func(violation string)                            // told of every violation, none of which then ends the run; nil: the first does
}

// defects are mistakes that the code could have: what it asks of the table is changed on the way there, or what a verb
// is given.
func defects() []defect {
	return []defect{
		{name: "settle without the lease's condition", door: without("settle", "#lease = :was_lease", "#generation = :was_generation")},
		{name: "two claims allowed", door: without("claim", "attribute_not_exists(#lease)")},
		{name: "a claim whatever the state", door: without("claim", "#state = :scheduled")},
		{name: "the index trusted: a claim whenever a hint came", door: without("claim", "#dueAt <= :ahead")},
		{name: "lease too short", seed: 393, door: shortLease},
		{name: "lease taken before its end", store: claimingWith(func(l *dispatch.Lease) { l.At = l.At.Add(40 * time.Second) })},
		{name: "settled before it is sent", store: settlesFirst},
		{name: "lapses counted for hints never claimed", door: countsHints},
		{name: "lapses not counted", door: lapsesNotCounted},
		{name: "hand-over in two writes", door: inTwo("hand over to")},
		{name: "callback put after the end", door: inTwo("put")},
		{name: "a member cancelled while it waits leaves its chain", door: cancelCuts},
		{name: "ttl in milliseconds", door: ttlInMillis},
		{name: "ttl on members of a group", door: ttlOnMembers},
		{name: "retry not clamped to the expiry", store: settlingWith(func(t *dispatch.Task) {
			if t.State == dispatch.Scheduled && !t.ExpireAt.IsZero() && len(t.Progress) > 0 {
				t.DueAt = t.DueAt.Add(time.Minute)
			}
		})},
		{name: "lost answers taken for failures: an edit", door: forgetsEdits},
		{name: "a hint trusted as a right to send", store: trustsHints},
		{name: "put whether or not it is there", door: without("put", "attribute_not_exists(#id) OR #ttl <= :now")},
		{name: "joins behind whoever was the tail", seed: 439, door: without("", liveStates+" AND attribute_not_exists(#next)", "#tail = :tail")},
		{name: "ends without looking for a next", seed: 811, door: without("settle", "attribute_not_exists(#next)")},
		{name: "sent after its expiry", store: claimed(func(t *dispatch.Task) { t.ExpireAt = time.Time{} })},
		{name: "sent before its time", store: claimed(func(t *dispatch.Task) { t.DueAt = t.DueAt.Add(-dispatch.ClaimAhead) })},
		{name: "a cancelled member sent at its turn", store: claimed(func(t *dispatch.Task) { t.Flag = false })},
		{name: "an attempt counted without a call", store: claimed(func(t *dispatch.Task) {
			if len(t.Progress) > 0 && t.Lapses > 0 {
				t.Progress[0].Attempts++
			}
		})},
		{name: "acknowledged before it is stored", store: acknowledgesEarly},
		{name: "a run by hand that is the same run", store: sameRun},
		{name: "edits that fence nothing", door: without("put", "#generation = :was_generation", "#state = :was_state", "attribute_not_exists(#lease)", "#lease = :was_lease")},
		{name: "a settle that is tried once", store: settlesOnce},
		{name: "calls that outlast the lease", call: callsOn},
		{name: "calls to the lease's very end, whatever other clocks say", seed: 6136, store: claimed(func(t *dispatch.Task) { t.Until = t.Until.Add(dispatch.Skew) })},
		{name: "failures left in the live lane", door: leftInLane},
		{name: "a wait for a circuit that counts as an attempt", store: settlingWith(func(t *dispatch.Task) {
			for i := range t.Progress {
				if dispatch.HeldBack(t.Progress[i]) {
					t.Progress[i].Attempts++
				}
			}
		})},
		{name: "a wait for a circuit without end", store: settlingWith(func(t *dispatch.Task) {
			if len(t.Progress) == 1 && dispatch.HeldBack(t.Progress[0]) {
				t.DueAt = t.DueAt.Add(24 * time.Hour)
			}
		})},
		{name: "an open circuit lets all through", store: circuitsAsRead(func(all map[string]dispatch.Circuit) { clear(all) })},
		{name: "a circuit that each call tries", store: circuitsAsRead(func(all map[string]dispatch.Circuit) {
			for origin, c := range all {
				c.ProbeAt = time.Time{}
				all[origin] = c
			}
		})},
		{name: "the right to try a receiver taken over another's", door: without("put /doc/circuits", "#generation = :before")},
		{name: "one circuit for all receivers", store: circuitsAsRead(func(all map[string]dispatch.Circuit) {
			for _, c := range all {
				all[anywhere], all[firstOf], all[secondOf] = c, c, c
			}
		})},
		{name: "one circuit for all tenants", store: circuitsAsRead(func(all map[string]dispatch.Circuit) {
			for origin, c := range maps.Clone(all) {
				if receiver, found := strings.CutPrefix(origin, red+" "); found {
					all[blue+" "+receiver] = c
				}
			}
		})},
		{name: "a tenant's limit that is not asked", seed: 1107, store: tenantsUnlimited},
		{name: "a callback that is no tenant's", store: settlingFor(func(t *dispatch.Task) { t.Tenant = "" })},
		{name: "circuits that are never read again", seed: 268, call: func(_ *process, h *dispatch.Handle) { h.Circuits.Age = 24 * time.Hour }},
		{name: "a circuit that never closes", store: circuitsWritten(func(was, is map[string]dispatch.Circuit) bool { return len(is) >= len(was) })},
		{name: "a circuit that never opens", store: circuitsWritten(func(was, is map[string]dispatch.Circuit) bool { return len(is) <= len(was) })},
		{name: "circuits open that are off", call: func(_ *process, h *dispatch.Handle) {
			settings := h.Settings
			h.Settings = func(ctx context.Context) (dispatch.Settings, error) {
				s, err := settings(ctx)
				if s.Circuit != nil && s.Circuit.Failures == 0 {
					s.Circuit = &dispatch.CircuitSettings{Failures: 2, Interval: 5}
				}
				return s, err
			}
		}},
		{name: "circuits opened by any failure", call: func(_ *process, h *dispatch.Handle) {
			settings := h.Settings
			h.Settings = func(ctx context.Context) (dispatch.Settings, error) {
				s, err := settings(ctx)
				if s.Circuit != nil && s.Circuit.Failures > 0 {
					s.Circuit = &dispatch.CircuitSettings{Failures: 1, Interval: s.Circuit.Interval}
				}
				return s, err
			}
		}},
		{name: "nothing is called while the circuits cannot be read", store: closesBlind},
		{name: "a part of a tick taken for the whole", tick: func(p *process, s *dispatch.Sweep) {
			if s.Parts < 2 {
				_, _ = s.Run(p.ctx)
				return
			}
			_, _ = s.RunPart(p.ctx, dispatch.Part{Number: 0, Of: s.Parts})
		}},
		{name: "ten lapses do not stop it", store: claimed(func(t *dispatch.Task) { t.Lapses = 0 })},
	}
}

const liveStates = "#state IN (:scheduled, :blocked, :held)"
