package simulate

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// defect is what a run is made to do wrong, to see that it is found out. The zero value is none.
type defect struct {
	name  string
	seed  uint64                                            // the first that is tried
	door  func(w *world, p *process, in any) (any, error)   // instead of [world.do]
	store func(s dispatch.Store, p *process) dispatch.Store // around every process's store
	call  func(p *process, h *dispatch.Handle)              // to every handle
}

// defects are mistakes that the code could have: what it asks of the table is changed on the way there, or what a verb
// is given.
func defects() []defect {
	return []defect{
		{name: "settle without the lease's condition", door: without("settle", "#lease = :was_lease", "#generation = :was_generation")},
		{name: "two claims allowed", door: without("claim", "attribute_not_exists(#lease)")},
		{name: "a claim whatever the state", door: without("claim", "#state = :scheduled")},
		{name: "the index trusted: a claim whenever a hint came", door: without("claim", "#dueAt <= :ahead")},
		{name: "lease too short", door: shortLease},
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
		{name: "joins behind whoever was the tail", door: without("", liveStates+" AND attribute_not_exists(#next)", "#tail = :tail")},
		{name: "ends without looking for a next", door: without("settle", "attribute_not_exists(#next)")},
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
		{name: "failures left in the live lane", door: leftInLane},
		{name: "ten lapses do not stop it", store: claimed(func(t *dispatch.Task) { t.Lapses = 0 })},
	}
}

const liveStates = "#state IN (:scheduled, :blocked, :held)"

// without removes clauses from the conditions of writes that are described so.
func without(what string, clauses ...string) func(*world, *process, any) (any, error) {
	strip := func(condition *string) *string {
		s := aws.ToString(condition)
		for _, clause := range clauses {
			s = strings.ReplaceAll(s, clause, always)
		}
		return &s
	}
	return func(w *world, p *process, in any) (any, error) {
		switch in := in.(type) {
		case *dynamodb.UpdateItemInput:
			if strings.HasPrefix(describe(in), what) {
				changed := *in
				changed.ConditionExpression, changed.ExpressionAttributeNames = strip(in.ConditionExpression), named(in.ExpressionAttributeNames)
				return w.do(p, &changed)
			}
		case *dynamodb.PutItemInput:
			if what == "put" && !strings.HasPrefix(text(in.Item, "id"), "/") {
				changed := *in
				changed.ConditionExpression, changed.ExpressionAttributeNames = strip(in.ConditionExpression), named(in.ExpressionAttributeNames)
				return w.do(p, &changed)
			}
		case *dynamodb.TransactWriteItemsInput:
			return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
				switch {
				case item.Update != nil && strings.HasPrefix(updating(aws.ToString(item.Update.UpdateExpression)), what):
					u := *item.Update
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Update = &u
				case item.Put != nil && what == "put" && !strings.HasPrefix(text(item.Put.Item, "id"), "/"):
					u := *item.Put
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Put = &u
				case item.Delete != nil && what == "delete":
					u := *item.Delete
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Delete = &u
				}
			}))
		}
		return w.do(p, in)
	}
}

// always is a condition that holds.
const always = "(attribute_exists(#always) OR attribute_not_exists(#always))"

func named(names map[string]string) map[string]string {
	all := maps.Clone(names)
	all["#always"] = "id"
	return all
}

func eachItem(in *dynamodb.TransactWriteItemsInput, change func(*types.TransactWriteItem)) *dynamodb.TransactWriteItemsInput {
	changed := *in
	changed.TransactItems = append([]types.TransactWriteItem(nil), in.TransactItems...)
	for i := range changed.TransactItems {
		change(&changed.TransactItems[i])
	}
	return &changed
}

// shortLease has rows leased for 25 s less than their holders believe.
func shortLease(w *world, p *process, in any) (any, error) {
	u, ok := in.(*dynamodb.UpdateItemInput)
	if !ok || !strings.HasPrefix(describe(in), "claim") {
		return w.do(p, in)
	}
	const less = 25000
	changed := *u
	changed.ExpressionAttributeValues = maps.Clone(u.ExpressionAttributeValues)
	changed.ExpressionAttributeValues[":until"] = numbers(number(u.ExpressionAttributeValues, ":until") - less)
	out, err := w.do(p, &changed)
	if updated, ok := out.(*dynamodb.UpdateItemOutput); ok && updated.Attributes != nil {
		shown := *updated
		shown.Attributes = maps.Clone(updated.Attributes)
		shown.Attributes["until"] = numbers(number(updated.Attributes, "until") + less)
		return &shown, err
	}
	return out, err
}

// countsHints raises the lapses of a task whose claim is refused.
func countsHints(w *world, p *process, in any) (any, error) {
	out, err := w.do(p, in)
	no := (*types.ConditionalCheckFailedException)(nil)
	if u, ok := in.(*dynamodb.UpdateItemInput); ok && strings.HasPrefix(describe(in), "claim") && errors.As(err, &no) && text(no.Item, "lease") != "" {
		_, _ = w.do(p, &dynamodb.UpdateItemInput{
			Key: u.Key, UpdateExpression: aws.String("SET #lapses = if_not_exists(#lapses, :none) + :one"),
			ExpressionAttributeNames: map[string]string{"#lapses": "lapses"}, ExpressionAttributeValues: table.Row{":none": numbers(0), ":one": numbers(1)},
		})
	}
	return out, err
}

func lapsesNotCounted(w *world, p *process, in any) (any, error) {
	if u, ok := in.(*dynamodb.UpdateItemInput); ok && strings.HasPrefix(describe(in), "claim lapsed") {
		changed := *u
		changed.UpdateExpression = aws.String(strings.Replace(*u.UpdateExpression, ", #lapses = if_not_exists(#lapses, :none) + :one", "", 1))
		return w.do(p, &changed)
	}
	return w.do(p, in)
}

// inTwo writes a transaction's own row first, and what is described so a moment later, if its process still lives.
func inTwo(what string) func(*world, *process, any) (any, error) {
	return func(w *world, p *process, in any) (any, error) {
		t, ok := in.(*dynamodb.TransactWriteItemsInput)
		if !ok || !strings.HasPrefix(describe(in), "[settle") {
			return w.do(p, in)
		}
		first, second := *t, *t
		first.TransactItems, second.TransactItems = nil, nil
		second.ClientRequestToken = nil
		for _, item := range t.TransactItems {
			if strings.HasPrefix(describe(&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}}), "["+what) {
				second.TransactItems = append(second.TransactItems, item)
			} else {
				first.TransactItems = append(first.TransactItems, item)
			}
		}
		out, err := w.do(p, &first)
		if err == nil && len(second.TransactItems) > 0 {
			w.schedule.in(5*time.Millisecond, p.name+" second half", func() {
				if w.running[p] {
					_, _ = w.do(p, &second)
				}
			})
		}
		return out, err
	}
}

// cancelCuts has a member that is cancelled while it waits end at once.
func cancelCuts(w *world, p *process, in any) (any, error) {
	if put, ok := in.(*dynamodb.PutItemInput); ok && number(put.Item, "flag") == 1 && text(put.Item, "state") == "blocked" {
		changed := *put
		changed.Item = maps.Clone(put.Item)
		changed.Item["state"], changed.Item["reason"], changed.Item["ttl"] = texts("cancelled"), texts("cancelled by hand"), numbers(time.Now().Unix()+100000)
		return w.do(p, &changed)
	}
	return w.do(p, in)
}

func ttlInMillis(w *world, p *process, in any) (any, error) {
	return w.do(p, withTTL(in, func(row table.Row, name string) {
		row[name] = numbers(number(row, name) * 1000)
	}))
}

func ttlOnMembers(w *world, p *process, in any) (any, error) {
	if t, ok := in.(*dynamodb.TransactWriteItemsInput); ok {
		return w.do(p, eachItem(t, func(item *types.TransactWriteItem) {
			if item.Put != nil && item.Put.Item["group"] != nil && item.Put.Item["ttl"] == nil && item.Put.Item["expireAt"] != nil {
				put := *item.Put
				put.Item = maps.Clone(put.Item)
				put.Item["ttl"] = numbers(number(put.Item, "expireAt") / 1000)
				item.Put = &put
			}
		}))
	}
	return w.do(p, in)
}

// withTTL changes the ttl of what a request writes.
func withTTL(in any, change func(row table.Row, name string)) any {
	values := func(row table.Row, name string) table.Row {
		if row[name] == nil {
			return row
		}
		row = maps.Clone(row)
		change(row, name)
		return row
	}
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		changed := *in
		changed.Item = values(in.Item, "ttl")
		return &changed
	case *dynamodb.UpdateItemInput:
		changed := *in
		changed.ExpressionAttributeValues = values(in.ExpressionAttributeValues, ":ttl")
		return &changed
	case *dynamodb.TransactWriteItemsInput:
		return eachItem(in, func(item *types.TransactWriteItem) {
			if item.Put != nil {
				put := *item.Put
				put.Item = values(put.Item, "ttl")
				item.Put = &put
			}
			if item.Update != nil {
				u := *item.Update
				u.ExpressionAttributeValues = values(u.ExpressionAttributeValues, ":ttl")
				item.Update = &u
			}
		})
	}
	return in
}

// forgetsEdits has edits leave no mark by which they could be recognised.
func forgetsEdits(w *world, p *process, in any) (any, error) {
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		changed := *in
		changed.Item = maps.Clone(in.Item)
		delete(changed.Item, "edit")
		return w.do(p, &changed)
	case *dynamodb.TransactWriteItemsInput:
		return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
			if item.Put != nil {
				put := *item.Put
				put.Item = maps.Clone(put.Item)
				delete(put.Item, "edit")
				item.Put = &put
			}
		}))
	}
	return w.do(p, in)
}

// leftInLane leaves failures where tasks are due.
func leftInLane(w *world, p *process, in any) (any, error) {
	change := func(values table.Row) table.Row {
		values = maps.Clone(values)
		if lane := text(values, ":lane"); strings.Contains(lane, "!failed") {
			values[":lane"] = texts(strings.Replace(lane, "!failed", "", 1))
		}
		return values
	}
	switch in := in.(type) {
	case *dynamodb.UpdateItemInput:
		changed := *in
		changed.ExpressionAttributeValues = change(in.ExpressionAttributeValues)
		return w.do(p, &changed)
	case *dynamodb.TransactWriteItemsInput:
		return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
			if item.Update != nil {
				u := *item.Update
				u.ExpressionAttributeValues = change(u.ExpressionAttributeValues)
				item.Update = &u
			}
		}))
	}
	return w.do(p, in)
}

func n(i int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(i, 10)}
}
func s(t string) types.AttributeValue { return &types.AttributeValueMemberS{Value: t} }

// dressed is a store some of whose methods do something else.
type dressed struct {
	dispatch.Store
	claim  func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result
	settle func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error)
	put    func(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result
	edit   func(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error)
}

func (d dressed) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	if d.claim != nil {
		return d.claim(ctx, ids, l)
	}
	return d.Store.Claim(ctx, ids, l)
}

func (d dressed) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	if d.settle != nil {
		return d.settle(ctx, t, callbacks...)
	}
	return d.Store.Settle(ctx, t, callbacks...)
}

func (d dressed) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	if d.put != nil {
		return d.put(ctx, now, tasks)
	}
	return d.Store.Put(ctx, now, tasks)
}

func (d dressed) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	if d.edit != nil {
		return d.edit(ctx, id, edit)
	}
	return d.Store.Edit(ctx, id, edit)
}

type dress = func(s dispatch.Store, p *process) dispatch.Store

func claimingWith(change func(*dispatch.Lease)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
			change(&l)
			return s.Claim(ctx, ids, l)
		}}
	}
}

// claimed changes what a claim returns.
func claimed(change func(*dispatch.Task)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
			results := s.Claim(ctx, ids, l)
			for i := range results {
				if results[i].Err == nil {
					change(&results[i].Task)
				}
			}
			return results
		}}
	}
}

func settlingWith(change func(*dispatch.Task)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
			change(&t)
			return s.Settle(ctx, t, callbacks...)
		}}
	}
}

// settlesFirst settles a task as delivered when it is claimed.
func settlesFirst(s dispatch.Store, p *process) dispatch.Store {
	return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
		results := s.Claim(ctx, ids, l)
		for _, r := range results {
			if r.Err == nil {
				t := r.Task
				t.State, t.EndedAt, t.DueAt, t.Lane, t.TTL = dispatch.Delivered, p.now(), time.Time{}, "", p.now().Add(dispatch.MinRetention)
				_, _ = s.Settle(ctx, t)
			}
		}
		return results
	}}
}

// trustsHints goes on where a claim was refused because somebody else holds the task.
func trustsHints(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
		results := s.Claim(ctx, ids, l)
		for i, r := range results {
			if errors.Is(r.Err, dispatch.ErrRefused) && r.Task.State == dispatch.Scheduled && r.Task.Lease != "" {
				results[i].Err = nil
			}
		}
		return results
	}}
}

func acknowledgesEarly(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, put: func(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		results := s.Put(ctx, now, tasks)
		for i, r := range results {
			if r.Err != nil {
				results[i] = dispatch.Result{Task: tasks[i]}
			}
		}
		return results
	}}
}

func sameRun(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, edit: func(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
		return s.Edit(ctx, id, func(t *dispatch.Task) error {
			run := t.Run
			err := edit(t)
			t.Run = run
			return err
		})
	}}
}

// settlesOnce takes a settle whose first try fails for one that was done.
func settlesOnce(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		next, err := s.Settle(ctx, t, callbacks...)
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		return next, err
	}}
}

// callsOn has calls last as long as the receiver likes, up to a minute more.
func callsOn(_ *process, h *dispatch.Handle) {
	send := h.Send
	h.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout+time.Minute)
		defer cancel()
		return send(ctx, c)
	}
}
