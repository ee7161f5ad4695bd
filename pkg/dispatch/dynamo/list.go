package dynamo

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// List implements [dispatch.Store]. Of the whole store it reads every row of the table, as it is, and is billed for it.
func (s Store) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		switch {
		case len(f.Lanes) > 0:
			for _, lane := range f.Lanes {
				q := s.laneQuery(lane)
				q.ScanIndexForward = aws.Bool(!f.Newest)
				if !s.list(ctx, fmt.Sprintf("lane %q", lane), s.entries(ctx, q), f, yield, func(r row) bool {
					d := decoder{row: r}
					return d.text("lane") == lane
				}) {
					return
				}
			}
		case len(f.Identifiers) > 0:
			for _, identifier := range slices.Compact(slices.Sorted(slices.Values(f.Identifiers))) {
				if identifier == "" || len(identifier) > maxID { // DynamoDB has no such keys
					continue
				}
				what := fmt.Sprintf("identifier %q", identifier)
				if !s.list(ctx, what, s.entries(ctx, s.identifierQuery(identifier)), f, yield, func(r row) bool {
					d := decoder{row: r}
					return d.text("identifier") == identifier
				}) {
					return
				}
			}
		case f.Identified:
			s.list(ctx, "all that have an identifier", s.identified(ctx), f, yield, func(row) bool { return true })
		default:
			s.scan(ctx, f, yield)
		}
	}
}

// list yields the tasks of an index's entries, in their order, but for those that belong there no more, and reports
// whether to go on.
func (s Store) list(ctx context.Context, what string, pages iter.Seq2[[]dispatch.Hint, error], f dispatch.Filter,
	yield func(dispatch.Task, error) bool, belongs func(row) bool,
) bool {
	for page, err := range pages {
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing %s: %w", what, err))
			return false
		}
		for batch := range slices.Chunk(page, maxKeys) {
			tasks, err := s.tasks(ctx, batch, belongs)
			for _, t := range tasks {
				if wanted(t, f) && !yield(t, nil) {
					return false
				}
			}
			if err != nil {
				yield(dispatch.Task{}, fmt.Errorf("listing %s: %w", what, err))
				return false
			}
		}
	}
	return true
}

// tasks reads the tasks of some entries, in their order, that belong to the index still.
func (s Store) tasks(ctx context.Context, batch []dispatch.Hint, belongs func(row) bool) ([]dispatch.Task, error) {
	ids := make([]string, len(batch))
	for i, hint := range batch {
		ids[i] = hint.ID
	}
	found, err := s.rows(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("reading its tasks: %w", err)
	}
	var tasks []dispatch.Task
	for _, id := range ids {
		r, ok := found[id]
		if !ok || !belongs(r) {
			continue
		}
		delete(found, id) // an index that lags may have a second entry
		t, err := decode(r)
		if err != nil {
			return tasks, err
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// identifierQuery asks for the entries of the tasks with this identifier.
func (s Store) identifierQuery(identifier string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &s.Table,
		IndexName:                 aws.String(Identifiers),
		KeyConditionExpression:    aws.String("#identifier = :identifier"),
		ExpressionAttributeNames:  aliases("identifier"),
		ExpressionAttributeValues: row{":identifier": text(identifier)},
		Limit:                     aws.Int32(maxPage),
	}
}

// identified yields the pages of the whole index of identifiers; an error ends it.
func (s Store) identified(ctx context.Context) iter.Seq2[[]dispatch.Hint, error] {
	return asHints(s.scanned(ctx, &dynamodb.ScanInput{TableName: &s.Table, IndexName: aws.String(Identifiers), Limit: aws.Int32(maxPage)}))
}

func (s Store) scan(ctx context.Context, f dispatch.Filter, yield func(dispatch.Task, error) bool) {
	for page, err := range s.scanned(ctx, &dynamodb.ScanInput{TableName: &s.Table, ConsistentRead: aws.Bool(true)}) {
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing all tasks: %w", err))
			return
		}
		for _, r := range page {
			t, err := decode(r)
			if !storable(t.ID) {
				continue
			}
			if err != nil {
				yield(dispatch.Task{}, fmt.Errorf("listing all tasks: %w", err))
				return
			}
			if wanted(t, f) && !yield(t, nil) {
				return
			}
		}
	}
}

func wanted(t dispatch.Task, f dispatch.Filter) bool {
	identified := !f.Identified && len(f.Identifiers) == 0 || t.Identifier != "" &&
		(len(f.Identifiers) == 0 || slices.Contains(f.Identifiers, t.Identifier))
	return identified && (f.Queue == "" || t.Queue == f.Queue) && (f.Tenant == "" || t.Tenant == f.Tenant) && (f.State == "" || t.State == f.State)
}
