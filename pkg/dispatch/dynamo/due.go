package dynamo

import (
	"context"
	"fmt"
	"iter"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// maxPage is how many entries of the index a page has at most: callers that stop early are not billed for the 10,000
// that fit into DynamoDB's 1 MB.
const maxPage = 1000

// Due implements [dispatch.Store].
func (s Store) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		for page, err := range s.entries(ctx, s.dueQuery(lane, upTo)) {
			if err != nil {
				yield(dispatch.Hint{}, fmt.Errorf("reading what is due in lane %q: %w", lane, err))
				return
			}
			for _, hint := range page {
				if !yield(hint, nil) {
					return
				}
			}
		}
	}
}

func (s Store) dueQuery(lane string, upTo time.Time) *dynamodb.QueryInput {
	q := s.laneQuery(lane)
	q.KeyConditionExpression = aws.String("#lane = :lane AND #dueAt <= :upTo")
	q.ExpressionAttributeNames = aliases("lane", "dueAt")
	q.ExpressionAttributeValues[":upTo"] = number(dispatch.Millis(upTo))
	return q
}

// laneQuery asks for a lane's entries, the earliest first.
func (s Store) laneQuery(lane string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &s.Table,
		IndexName:                 aws.String(Index),
		KeyConditionExpression:    aws.String("#lane = :lane"),
		ExpressionAttributeNames:  aliases("lane"),
		ExpressionAttributeValues: row{":lane": text(lane)},
		Limit:                     aws.Int32(maxPage),
	}
}

// entries yields the pages of a query of an index; an error ends it.
func (s Store) entries(ctx context.Context, q *dynamodb.QueryInput) iter.Seq2[[]dispatch.Hint, error] {
	return asHints(pages(func(from row) ([]row, row, error) {
		q.ExclusiveStartKey = from
		out, err := s.Client.Query(ctx, q, s.untilDone)
		if err != nil {
			return nil, nil, failure(ctx, err)
		}
		return out.Items, out.LastEvaluatedKey, nil
	}))
}

// scanned yields the pages of a scan; an error ends it.
func (s Store) scanned(ctx context.Context, in *dynamodb.ScanInput) iter.Seq2[[]row, error] {
	return pages(func(from row) ([]row, row, error) {
		in.ExclusiveStartKey = from
		out, err := s.Client.Scan(ctx, in, s.untilDone)
		if err != nil {
			return nil, nil, failure(ctx, err)
		}
		return out.Items, out.LastEvaluatedKey, nil
	})
}

// pages yields what fetch returns, each time from where the last page ended; an error ends it.
func pages(fetch func(from row) (items []row, end row, err error)) iter.Seq2[[]row, error] {
	return func(yield func([]row, error) bool) {
		var from row
		for {
			items, end, err := fetch(from)
			if !yield(items, err) || err != nil || len(end) == 0 {
				return
			}
			from = end
		}
	}
}

// asHints reads the entries of an index.
func asHints(all iter.Seq2[[]row, error]) iter.Seq2[[]dispatch.Hint, error] {
	return func(yield func([]dispatch.Hint, error) bool) {
		for entries, err := range all {
			var page []dispatch.Hint
			if err == nil {
				page, err = hints(entries)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

func hints(entries []row) ([]dispatch.Hint, error) {
	page := make([]dispatch.Hint, len(entries))
	for i, entry := range entries {
		d := decoder{row: entry}
		page[i] = dispatch.Hint{
			ID:     d.text("id"),
			Queue:  dispatch.QueueOf(d.text("lane")),
			Tenant: dispatch.TenantOf(d.text("lane")),
			DueAt:  dispatch.FromMillis(d.number("dueAt")),
		}
		if d.err != nil {
			return nil, fmt.Errorf("decoding the entry of %q: %w", page[i].ID, d.err)
		}
	}
	return page, nil
}
