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

// List implements [dispatch.Store]. Of the whole store it reads every row of the table, and is billed for it.
func (s Store) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		if len(f.Lanes) == 0 {
			s.scan(ctx, f, yield)
			return
		}
		for _, lane := range f.Lanes {
			if !s.listLane(ctx, lane, f, yield) {
				return
			}
		}
	}
}

// listLane yields a lane's tasks and reports whether to go on.
func (s Store) listLane(ctx context.Context, lane string, f dispatch.Filter, yield func(dispatch.Task, error) bool) bool {
	q := s.laneQuery(lane)
	q.ScanIndexForward = aws.Bool(!f.Newest)
	for page, err := range s.entries(ctx, q) {
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing lane %q: %w", lane, err))
			return false
		}
		for batch := range slices.Chunk(page, maxKeys) {
			if !s.listBatch(ctx, lane, batch, f, yield) {
				return false
			}
		}
	}
	return true
}

// listBatch yields the tasks of some of a lane's entries, in their order, but for those that have left the lane since.
func (s Store) listBatch(ctx context.Context, lane string, batch []dispatch.Hint, f dispatch.Filter,
	yield func(dispatch.Task, error) bool,
) bool {
	ids := make([]string, len(batch))
	for i, hint := range batch {
		ids[i] = hint.ID
	}
	found, err := s.rows(ctx, ids)
	if err != nil {
		yield(dispatch.Task{}, fmt.Errorf("reading the tasks of lane %q: %w", lane, err))
		return false
	}
	for _, hint := range batch {
		r, ok := found[hint.ID]
		if !ok {
			continue
		}
		delete(found, hint.ID) // an index that lags may have a second entry
		t, err := decode(r)
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing lane %q: %w", lane, err))
			return false
		}
		if t.Lane == lane && wanted(t, f) && !yield(t, nil) {
			return false
		}
	}
	return true
}

func (s Store) scan(ctx context.Context, f dispatch.Filter, yield func(dispatch.Task, error) bool) {
	in := &dynamodb.ScanInput{TableName: &s.Table}
	for {
		out, err := s.Client.Scan(ctx, in, untilDone)
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing all tasks: %w", failure(ctx, err)))
			return
		}
		for _, r := range out.Items {
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
		if len(out.LastEvaluatedKey) == 0 {
			return
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func wanted(t dispatch.Task, f dispatch.Filter) bool {
	return (f.Queue == "" || t.Queue == f.Queue) && (f.State == "" || t.State == f.State)
}
