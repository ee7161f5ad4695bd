package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// errBehind is of members that were not put because one before them was not.
var errBehind = errors.New("the one before it in its group was not put")

// member is one of a group that is to be put, and where to say what became of it.
type member struct {
	task   dispatch.Task
	size   int // of its row, at most
	result *dispatch.Result
}

// putMembers puts members of one group in their order, up to the first that cannot be put.
func (s Store) putMembers(ctx context.Context, now time.Time, members []member, p *packer) {
	for i := range members {
		m := &members[i]
		m.task.Prev, m.task.Next = "", ""
		r, err := newRow(m.task, p)
		if err != nil {
			m.result.Err = err
			fail(members[i+1:], errBehind)
			members = members[:i]
			break
		}
		m.size = size(r) + room(r)
	}
	for len(members) > 0 {
		n := together(members)
		if err := s.putChain(ctx, now, slices.Clone(members[:n]), p); err != nil {
			fail(members[n:], errBehind)
			return
		}
		members = members[n:]
	}
}

func fail(members []member, err error) {
	for _, m := range members {
		m.result.Err = err
	}
}

// together returns how many of the members one transaction puts, which writes two other rows at most.
func together(members []member) int {
	n, bytes := 0, 0
	for n < min(len(members), maxItems-2) {
		bytes += members[n].size
		if n > 0 && bytes > maxTogether {
			break
		}
		n++
	}
	return n
}

// putChain puts members behind one another and the group's tail, all in one transaction. Those that are there already
// are left out. An error is that of all that are not.
func (s Store) putChain(ctx context.Context, now time.Time, chain []member, p *packer) error {
	l := line{group: chain[0].task.Group}
	for tries := 0; len(chain) > 0; {
		left, err := s.tryChain(ctx, now, &l, chain, p)
		if err == nil && len(left) == len(chain) { // somebody else joined or left
			tries++
			err = s.pause(ctx, 2*tries-1) // longer soon: each of many that want the same tail pays for every try
		}
		if err != nil {
			fail(left, err)
			return err
		}
		chain = left
	}
	return nil
}

// tryChain tries to put the members, and returns those of which it is not known yet what becomes.
func (s Store) tryChain(ctx context.Context, now time.Time, l *line, chain []member, p *packer) ([]member, error) {
	var err error
	if l.tail, err = s.tail(ctx, l.group); err != nil {
		return chain, err
	}
	own := slices.IndexFunc(chain, func(m member) bool { return m.task.ID == l.tail })
	if l.own = own >= 0; l.own {
		r, err := s.read(ctx, l.tail)
		if err != nil {
			return chain, err
		}
		if !isAbsent(r, now) { // an earlier try may have put it
			*chain[own].result = existing(r, chain[own].task)
			return slices.Delete(chain, own, own+1), nil
		}
		l.gone = l.tail
	}
	rows, items, err := s.chainItems(*l, chain, now, p)
	if err != nil {
		return chain, err
	}
	verdicts, err := s.commit(ctx, items)
	if err != nil {
		return chain, err
	}
	var left []member
	for i, m := range chain {
		switch {
		case verdicts == nil:
			m.result.Task, m.result.Err = decode(rows[i])
			m.result.Task.Next = "" // as it was when it was put
		case verdicts[i].refused:
			*m.result = existing(verdicts[i].row, m.task)
		default:
			left = append(left, m)
		}
	}
	if verdicts != nil {
		l.learn(verdicts[len(chain):])
	}
	return left, nil
}

// chainItems returns the members' rows, and the writes of a transaction that puts them.
func (s Store) chainItems(l line, chain []member, now time.Time, p *packer) ([]row, []types.TransactWriteItem, error) {
	rows := make([]row, len(chain))
	items := make([]types.TransactWriteItem, len(chain), maxItems)
	prev := l.prev()
	for i, m := range chain {
		t := m.task
		if t.Prev = prev; prev != "" {
			t.State = dispatch.Blocked
		}
		if prev = t.ID; i+1 < len(chain) {
			t.Next = chain[i+1].task.ID
		}
		r, err := encode(t)
		if err == nil {
			err = p.pack(r)
		}
		if err != nil {
			return nil, nil, err
		}
		rows[i] = r
		items[i].Put = &types.Put{
			TableName:                           &s.Table,
			Item:                                r,
			ConditionExpression:                 aws.String(absent),
			ExpressionAttributeNames:            aliases("id", "ttl"),
			ExpressionAttributeValues:           row{":now": number(now.Unix())},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}
	}
	return rows, append(items, s.join(l, chain[0].task.ID, prev)...), nil
}
