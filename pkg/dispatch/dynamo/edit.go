package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// errTurn is of edits that would have a member run before its turn, or never.
var errTurn = errors.New("a member of a group becomes blocked, and ceases to be, by a hand-over alone")

// Edit implements [dispatch.Store]. As for a put, the row must have room for what attempts add to it. With edit's error it
// returns the task as it was.
func (s Store) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	fail := func(t dispatch.Task, err error) (dispatch.Task, dispatch.Hint, error) {
		return t, dispatch.Hint{}, fmt.Errorf("editing task %q: %w", id, err)
	}
	if !storable(id) {
		return fail(dispatch.Task{}, dispatch.ErrNotFound)
	}
	e := rewriting{mark: rand.Text()}
	var err error
	if e.there, err = s.read(ctx, id); err != nil {
		return fail(dispatch.Task{}, err)
	}
	for e.there != nil {
		before, err := decode(e.there)
		if err != nil {
			return fail(before, err)
		}
		after := before
		if err := edit(&after); err != nil {
			return before, dispatch.Hint{}, err
		}
		written, next, err := s.rewrite(ctx, &e, before, after)
		if err != nil {
			return fail(before, err)
		}
		if written != nil {
			t, err := decode(written)
			return t, next, err
		}
	}
	return fail(dispatch.Task{}, dispatch.ErrNotFound)
}

// keptMarks is how many edits a row is recognised by: one whose answer was lost may have been followed by others, and must
// not be done again over them.
const keptMarks = 3

// rewriting is what an edit keeps from one try to the next.
type rewriting struct {
	there row    // as last read, nil for none
	mark  string // random: the edit is recognised by it in the row, should the answer to its write be lost
	line  line   // that the task joins, if it does
	tries int

	packer packer
}

// rewrite writes the edited task's row, and with it what changes in its group, if nothing has written since it was read.
// It returns nil if something has; e.there is the row then.
func (s Store) rewrite(ctx context.Context, e *rewriting, before, after dispatch.Task) (row, dispatch.Hint, error) {
	after.ID, after.Generation = before.ID, before.Generation+1
	after.Lease, after.Until = "", dispatch.FromMillis(0)
	after.Group, after.Prev, after.Next = before.Group, before.Prev, before.Next
	others, next, err := s.moved(ctx, e, before, &after)
	if err != nil {
		return nil, next, err
	}
	changed, err := e.changed(after)
	if err != nil {
		return nil, next, err
	}
	put := s.replacement(changed, before, e.there["progress"])
	if len(others) == 0 {
		err = s.replace(ctx, e, put)
	} else {
		err = s.replaceTogether(ctx, e, put, others)
	}
	switch {
	case errors.Is(err, errOvertaken):
		return nil, next, nil
	case errors.Is(err, errOwn):
		next, err = s.turn(ctx, after)
	}
	return changed, next, err
}

// moved returns what an edit writes besides the task's row: where it ends a live member of a group, the hand-over, and
// where it brings one back to life, what puts it behind the others.
func (s Store) moved(ctx context.Context, e *rewriting, before dispatch.Task, after *dispatch.Task) ([]types.TransactWriteItem, dispatch.Hint, error) {
	e.line.tail = ""
	was, is := before.State.Final(), after.State.Final()
	switch {
	case before.Group == "":
		return nil, dispatch.Hint{}, nil
	case (before.State == dispatch.Blocked) != (after.State == dispatch.Blocked):
		return nil, dispatch.Hint{}, errTurn
	case !was && is:
		return s.handOver(ctx, before, e.tries > 0)
	case was == is:
		return nil, dispatch.Hint{}, nil
	}
	l := &e.line
	l.group = before.Group
	var err error
	if l.tail, err = s.tail(ctx, l.group); err != nil {
		return nil, dispatch.Hint{}, err
	}
	if l.own = l.tail == after.ID; l.own {
		l.gone = l.tail
	}
	if after.Prev, after.Next = l.prev(), ""; after.Prev != "" {
		after.State = dispatch.Blocked
	}
	return s.join(*l, after.ID, after.ID), dispatch.Hint{}, nil
}

// changed returns the edited task's row. Attributes that this version does not know stay as they are.
func (e *rewriting) changed(after dispatch.Task) (row, error) {
	r, err := encode(after)
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(e.there)
	for _, name := range names() {
		delete(changed, name)
	}
	maps.Copy(changed, r)
	d := decoder{row: e.there}
	marks := append([]string{e.mark}, strings.Fields(d.text("edit"))...)
	changed["edit"] = text(strings.Join(marks[:min(len(marks), keptMarks)], " "))
	if err := fits(changed, room(changed)); err != nil {
		return nil, err
	}
	return changed, e.packer.pack(changed)
}

// replacement puts the row if nothing has written since before was read: claims and edits raise the generation, a final
// settle and a hand-over change the state, every settle ends the lease, and who joins behind it sets next. Whoever still has a lease
// that is over may record: that changes progress alone.
func (s Store) replacement(changed row, before dispatch.Task, progress types.AttributeValue) *types.Put {
	var when condition
	when.equal("generation", number(before.Generation))
	when.equal("state", text(string(before.State)))
	when.same("lease", before.Lease)
	when.same("next", before.Next)
	switch {
	case before.Lease == "":
	case progress == nil:
		when.same("progress", "")
	default:
		when.equal("progress", progress)
	}
	return &types.Put{
		TableName:                           &s.Table,
		Item:                                changed,
		ConditionExpression:                 aws.String(when.String()),
		ExpressionAttributeNames:            when.names,
		ExpressionAttributeValues:           when.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// What a write of an edit may meet besides failures.
var (
	errOvertaken = errors.New("something else wrote since the row was read")
	errOwn       = errors.New("the row is there by an earlier try")
)

// refusedBy says what the row means that refused the edit's write.
func (e *rewriting) refusedBy(r row) error {
	e.there = r
	d := decoder{row: r}
	if slices.Contains(strings.Fields(d.text("edit")), e.mark) {
		return errOwn
	}
	return errOvertaken
}

func (s Store) replace(ctx context.Context, e *rewriting, p *types.Put) error {
	_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           p.TableName,
		Item:                                p.Item,
		ConditionExpression:                 p.ConditionExpression,
		ExpressionAttributeNames:            p.ExpressionAttributeNames,
		ExpressionAttributeValues:           p.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: p.ReturnValuesOnConditionCheckFailure,
	}, s.untilDone)
	if there, no := refused(err); no {
		return e.refusedBy(there)
	}
	return failure(ctx, err)
}

func (s Store) replaceTogether(ctx context.Context, e *rewriting, p *types.Put, others []types.TransactWriteItem) error {
	verdicts, err := s.commit(ctx, append([]types.TransactWriteItem{{Put: p}}, others...))
	if err != nil || verdicts == nil {
		return err
	}
	if verdicts[0].refused {
		return e.refusedBy(verdicts[0].row)
	}
	e.line.learn(verdicts[1:])
	e.tries++
	if err := s.pause(ctx, e.tries); err != nil {
		return err
	}
	return errOvertaken
}
