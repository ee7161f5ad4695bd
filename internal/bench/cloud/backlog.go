package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Backlog is a table with very many due tasks, of which it keeps only how far each is: a sweep's requests see no
// difference.
type Backlog struct {
	rest  func(in any) (any, error) // the settings, and one task that all rows are copies of
	like  table.Row
	due   int64 // ms; the first of each lane, the others follow by a millisecond each after perMilli
	each  int   // tasks of a lane
	lanes []*lane
}

// perMilli is how many tasks of a lane are due in the same millisecond.
const perMilli = 100

// NewBacklog returns n tasks that have been due since the instant, spread over the lanes of the default queue.
func NewBacklog(ctx context.Context, n, lanes int, due time.Time) (*Backlog, error) {
	b := &Backlog{rest: NewTable(), due: due.UnixMilli(), each: n / lanes}
	for range lanes {
		b.lanes = append(b.lanes, &lane{state: make([]byte, b.each)})
	}
	store := Store(b.rest)
	settings := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{dispatch.DefaultQueue: {Lanes: lanes}}}
	if _, err := dispatch.SaveSettings(ctx, store, settings); err != nil {
		return nil, fmt.Errorf("saving the settings: %w", err)
	}
	enqueue := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	body, err := json.Marshal(strings.Repeat("x", 300))
	if err != nil {
		return nil, err
	}
	if _, err := enqueue.Run(ctx, []byte(`{"id":"one","uri":"https://example.com/","body":`+string(body)+`}`), nil); err != nil {
		return nil, fmt.Errorf("enqueueing: %w", err)
	}
	out, err := b.rest(&dynamodb.GetItemInput{Key: table.Row{"id": &types.AttributeValueMemberS{Value: "one"}}})
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	b.like = out.(*dynamodb.GetItemOutput).Item
	return b, nil
}

// id names the task at a place of a lane.
func id(lane, place int) string { return fmt.Sprintf("01J8ZK3V9Q-%04d-%010d", lane, place) }

// place is the inverse.
func (b *Backlog) place(id string) (in *lane, at int) {
	parts := strings.Split(id, "-")
	number, _ := strconv.Atoi(parts[1])
	at, _ = strconv.Atoi(parts[2])
	return b.lanes[number], at
}

func (b *Backlog) dueAt(place int) int64 { return b.due + int64(place/perMilli) }

// Do performs what a sweep asks for.
func (b *Backlog) Do(in any) (any, error) {
	switch in := in.(type) {
	case *dynamodb.QueryInput:
		return b.query(in)
	case *dynamodb.BatchGetItemInput:
		out := &dynamodb.BatchGetItemOutput{Responses: map[string][]table.Row{}}
		for name, asked := range in.RequestItems {
			for _, key := range asked.Keys {
				if row := b.row(text(key["id"])); row != nil {
					if asked.ProjectionExpression != nil {
						names := slices.Collect(maps.Values(asked.ExpressionAttributeNames))
						maps.DeleteFunc(row, func(name string, _ types.AttributeValue) bool { return !slices.Contains(names, name) })
					}
					out.Responses[name] = append(out.Responses[name], row)
				}
			}
		}
		return out, nil
	default:
		return b.rest(in)
	}
}

func (b *Backlog) query(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	name := text(in.ExpressionAttributeValues[":lane"])
	_, shard, _ := strings.Cut(name, "#")
	number, err := strconv.Atoi(shard)
	if err != nil || number >= len(b.lanes) {
		return nil, fmt.Errorf("there is no lane %q", name)
	}
	upTo, err := strconv.ParseInt(in.ExpressionAttributeValues[":upTo"].(*types.AttributeValueMemberN).Value, 10, 64)
	if err != nil {
		return nil, err
	}
	l := b.lanes[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.head
	if last := text(in.ExclusiveStartKey["id"]); last != "" {
		_, at := b.place(last)
		from = max(from, at+1)
	}
	out := &dynamodb.QueryOutput{}
	for at := from; at < len(l.state) && b.dueAt(at) <= upTo; at++ {
		if l.state[at] == gone {
			continue
		}
		if len(out.Items) == int(aws.ToInt32(in.Limit)) {
			out.LastEvaluatedKey = out.Items[len(out.Items)-1]
			break
		}
		out.Items = append(out.Items, table.Row{"id": &types.AttributeValueMemberS{Value: id(number, at)}, "lane": in.ExpressionAttributeValues[":lane"], "dueAt": millis(b.dueAt(at))})
	}
	out.Count = int32(len(out.Items))
	return out, nil
}

// row is a task's, nil if it has ended.
func (b *Backlog) row(id string) table.Row {
	l, at := b.place(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state[at] == gone {
		return nil
	}
	row := maps.Clone(b.like)
	row["id"], row["dueAt"] = &types.AttributeValueMemberS{Value: id}, millis(b.dueAt(at))
	if l.state[at] == leased {
		row["lease"], row["until"] = &types.AttributeValueMemberS{Value: "held"}, millis(time.Now().Add(time.Minute).UnixMilli())
	}
	return row
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func millis(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
