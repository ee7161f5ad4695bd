package dynamo

import (
	"context"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// groupID is the id of the row whose tail is the last live member of a group; it is there while there is one.
func groupID(group string) string { return internal + "group/" + group }

// live is the condition of a row whose state is not final; liveStates are its values.
const live = "#state IN (:scheduled, :blocked, :held)"

func liveStates() row {
	return row{
		":scheduled": text(string(dispatch.Scheduled)),
		":blocked":   text(string(dispatch.Blocked)),
		":held":      text(string(dispatch.Held)),
	}
}

// isLive reports whether there is a row, and it is live.
func isLive(r row) bool {
	d := decoder{row: r}
	return r != nil && !dispatch.State(d.text("state")).Final()
}

// line is what those who join a group must know of it.
type line struct {
	group string
	tail  string // its last live member, "" for none
	gone  string // a tail that is not live: somebody deleted its row past all rules, and nobody is to wait for it for ever
	own   bool   // the tail is one of those who join, and gone
}

// prev is whom the next one to join comes behind, "" if it is the head.
func (l line) prev() string {
	if l.tail == l.gone {
		return ""
	}
	return l.tail
}

// learn notes why a try to join was refused, by the verdicts on the items that join made: the tail is gone, or has come
// back.
func (l *line) learn(verdicts []verdict) {
	if l.tail == "" || l.own {
		return
	}
	switch tail := verdicts[0]; {
	case !tail.refused:
	case l.tail == l.gone:
		l.gone = ""
	case !isLive(tail.row):
		l.gone = l.tail
	}
}

// tail returns the id of a group's last live member, "" for none.
func (s Store) tail(ctx context.Context, group string) (string, error) {
	r, err := s.read(ctx, groupID(group))
	if err != nil {
		return "", err
	}
	d := decoder{row: r}
	return d.text("tail"), d.err
}

// join returns the items by which members, the first to the last, get into the line, besides those of their own rows.
func (s Store) join(l line, first, last string) []types.TransactWriteItem {
	if l.tail == "" {
		item := key(groupID(l.group))
		item["tail"] = text(last)
		item["version"] = number(dispatch.FormatVersion)
		return []types.TransactWriteItem{{Put: &types.Put{
			TableName:                &s.Table,
			Item:                     item,
			ConditionExpression:      aws.String("attribute_not_exists(#id)"),
			ExpressionAttributeNames: aliases("id"),
		}}}
	}
	move := types.TransactWriteItem{Update: &types.Update{
		TableName:                 &s.Table,
		Key:                       key(groupID(l.group)),
		UpdateExpression:          aws.String("SET #tail = :last"),
		ConditionExpression:       aws.String("#tail = :tail"),
		ExpressionAttributeNames:  aliases("tail"),
		ExpressionAttributeValues: row{":last": text(last), ":tail": text(l.tail)},
	}}
	switch {
	case l.own:
		return []types.TransactWriteItem{move}
	case l.tail == l.gone:
		return []types.TransactWriteItem{s.stillGone(l), move}
	}
	values := liveStates()
	values[":next"] = text(first)
	return []types.TransactWriteItem{{Update: &types.Update{
		TableName:                           &s.Table,
		Key:                                 key(l.tail),
		UpdateExpression:                    aws.String("SET #next = :next"),
		ConditionExpression:                 aws.String(live + " AND attribute_not_exists(#next)"),
		ExpressionAttributeNames:            aliases("state", "next"),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}, move}
}

// stillGone is the condition that the line's tail has not come back to life.
func (s Store) stillGone(l line) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName:                 &s.Table,
		Key:                       key(l.tail),
		ConditionExpression:       aws.String("attribute_not_exists(#state) OR NOT " + live),
		ExpressionAttributeNames:  aliases("state"),
		ExpressionAttributeValues: liveStates(),
	}}
}

// handOver returns the writes by which a member that ends gives its turn away, besides that of its own row, which must
// have the condition unchanged: to the one behind it, whose hint it returns, or by the end of the group. Nothing can be
// written to a group or a successor that is not as the rules have it; again says that a try has shown that, or met
// another transaction.
func (s Store) handOver(ctx context.Context, t dispatch.Task, again bool) ([]types.TransactWriteItem, dispatch.Hint, error) {
	if t.Next == "" {
		if again {
			if tail, err := s.tail(ctx, t.Group); err != nil || tail != t.ID {
				return nil, dispatch.Hint{}, err
			}
		}
		return []types.TransactWriteItem{{Delete: &types.Delete{
			TableName:                 &s.Table,
			Key:                       key(groupID(t.Group)),
			ConditionExpression:       aws.String("#tail = :id"),
			ExpressionAttributeNames:  aliases("tail"),
			ExpressionAttributeValues: row{":id": text(t.ID)},
		}}}, dispatch.Hint{}, nil
	}
	r, err := s.read(ctx, t.Next)
	if err != nil {
		return nil, dispatch.Hint{}, err
	}
	next, err := decode(r)
	if err != nil || next.State != dispatch.Blocked {
		return nil, dispatch.Hint{}, err
	}
	turn := &types.Update{
		TableName:                &s.Table,
		Key:                      key(t.Next),
		UpdateExpression:         aws.String("SET #state = :scheduled, #lane = #home REMOVE #home"),
		ConditionExpression:      aws.String("#state = :blocked AND attribute_exists(#home)"),
		ExpressionAttributeNames: aliases("state", "lane", "home"),
		ExpressionAttributeValues: row{
			":scheduled": text(string(dispatch.Scheduled)),
			":blocked":   text(string(dispatch.Blocked)),
		},
	}
	if next.Lane == "" {
		turn.UpdateExpression = aws.String("SET #state = :scheduled")
		turn.ConditionExpression = aws.String("#state = :blocked AND attribute_not_exists(#home)")
		turn.ExpressionAttributeNames = aliases("state", "home")
	}
	return []types.TransactWriteItem{{Update: turn}}, next.Hint(), nil
}

// turn returns the hint of the member that has the turn of one that has ended, by an earlier try.
func (s Store) turn(ctx context.Context, ended dispatch.Task) (dispatch.Hint, error) {
	if !ended.State.Final() || ended.Next == "" {
		return dispatch.Hint{}, nil
	}
	r, err := s.read(ctx, ended.Next)
	if err != nil {
		return dispatch.Hint{}, err
	}
	next, err := decode(r)
	if err != nil || next.State != dispatch.Scheduled {
		return dispatch.Hint{}, err
	}
	return next.Hint(), nil
}
