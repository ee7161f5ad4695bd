// Package table is a DynamoDB table in memory, at the level of the requests that package dynamo sends: it evaluates
// their conditions and updates, and writes all items of a transaction or none. Its indexes may lag. It has no clock and
// makes no faults; whoever performs the requests decides when, and whether the answer arrives. It passes the contract
// that package storetest runs against the real thing.
package table

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Row is an item of the table. Rows that are stored, or were returned, are never changed.
type Row = map[string]types.AttributeValue

// Change is what a request did to one row: nil before it was there, and after it is gone.
type Change struct {
	ID            string
	Before, After Row
}

// Table is the model. Its zero value is empty and ready.
type Table struct {
	// Propagate is given what brings an index up to date with a change of the row, and calls it when it likes, those of
	// one row in their order; nil: at once.
	Propagate func(id string, update func())
	// Page is how many entries a page of a query or scan has at most; 0: as many as the request allows.
	Page int

	mu      sync.Mutex
	rows    map[string]Row
	indexes map[string]map[string]Row // by the index's name and the row's id: what is visible
	tokens  map[string]bool           // of transactions that were committed
}

// indexes are the attributes of each index, partition key first.
var indexes = map[string][]string{
	dynamo.Index:       {"lane", "dueAt"},
	dynamo.Identifiers: {"identifier"},
}

// Do performs a request: an input of the DynamoDB client. It returns the output, or the error that DynamoDB answers with,
// and what has changed.
func (t *Table) Do(in any) (out any, changes []Change, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows, t.indexes, t.tokens = map[string]Row{}, map[string]map[string]Row{}, map[string]bool{}
		for name := range indexes {
			t.indexes[name] = map[string]Row{}
		}
	}
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		return &dynamodb.GetItemOutput{Item: t.rows[idOf(in.Key)]}, nil, nil
	case *dynamodb.BatchGetItemInput:
		return t.batch(in), nil, nil
	case *dynamodb.QueryInput:
		out, err := t.query(in)
		return out, nil, err
	case *dynamodb.ScanInput:
		return t.scan(in), nil, nil
	case *dynamodb.TransactWriteItemsInput:
		return t.transact(in)
	}
	w, err := single(in)
	if err != nil {
		return nil, nil, err
	}
	v := w.verdict(t.rows[w.id])
	switch {
	case v.err != nil:
		return nil, nil, v.err
	case v.refused:
		return nil, nil, &types.ConditionalCheckFailedException{Message: aws.String("The conditional request failed"), Item: v.shown}
	}
	changes = t.commit([]Change{{w.id, t.rows[w.id], v.after}})
	switch in.(type) {
	case *dynamodb.PutItemInput:
		return &dynamodb.PutItemOutput{}, changes, nil
	case *dynamodb.DeleteItemInput:
		return &dynamodb.DeleteItemOutput{}, changes, nil
	}
	updated := &dynamodb.UpdateItemOutput{}
	if w.returnsNew {
		updated.Attributes = v.after
	}
	return updated, changes, nil
}

// Rows returns all rows, in the order of their ids.
func (t *Table) Rows() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sorted(t.rows)
}

// Row returns one row, nil if it is not there.
func (t *Table) Row(id string) Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows[id]
}

// Remove deletes a row, as the time to live does, if it still is this one.
func (t *Table) Remove(id string, is func(Row) bool) []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.rows[id]
	if !ok || !is(r) {
		return nil
	}
	return t.commit([]Change{{ID: id, Before: r}})
}

func (t *Table) transact(in *dynamodb.TransactWriteItemsInput) (any, []Change, error) {
	token := aws.ToString(in.ClientRequestToken)
	if t.tokens[token] {
		return &dynamodb.TransactWriteItemsOutput{}, nil, nil
	}
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	var changes []Change
	seen := map[string]bool{}
	refused := false
	for i, item := range in.TransactItems {
		w, err := part(item)
		if err != nil {
			return nil, nil, err
		}
		if seen[w.id] {
			return nil, nil, invalid("the transaction has two operations on %q", w.id)
		}
		seen[w.id] = true
		v := w.verdict(t.rows[w.id])
		if v.err != nil {
			return nil, nil, v.err
		}
		reasons[i] = types.CancellationReason{Code: aws.String("None")}
		if v.refused {
			refused = true
			reasons[i] = types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Message: aws.String("The conditional request failed"), Item: v.shown}
		}
		if !w.checks {
			changes = append(changes, Change{w.id, t.rows[w.id], v.after})
		}
	}
	if refused {
		return nil, nil, &types.TransactionCanceledException{Message: aws.String("Transaction cancelled"), CancellationReasons: reasons}
	}
	if token != "" {
		t.tokens[token] = true
	}
	return &dynamodb.TransactWriteItemsOutput{}, t.commit(changes), nil
}

// commit writes the changes and has the indexes follow.
func (t *Table) commit(changes []Change) []Change {
	for _, c := range changes {
		if c.After == nil {
			delete(t.rows, c.ID)
		} else {
			t.rows[c.ID] = c.After
		}
		for _, name := range slices.Sorted(maps.Keys(indexes)) {
			before, after := entry(name, c.Before), entry(name, c.After)
			if !maps.EqualFunc(before, after, Same) {
				t.follow(name, c.ID, after)
			}
		}
	}
	return changes
}

func (t *Table) follow(index, id string, now Row) {
	visible := t.indexes[index]
	update := func() {
		if now == nil {
			delete(visible, id)
		} else {
			visible[id] = now
		}
	}
	if t.Propagate == nil {
		update()
		return
	}
	t.Propagate(id, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		update()
	})
}

// entry is what an index holds of a row, nil if it has not all of the index's key.
func entry(index string, r Row) Row {
	if r == nil {
		return nil
	}
	e := Row{"id": r["id"]}
	for _, name := range indexes[index] {
		if r[name] == nil {
			return nil
		}
		e[name] = r[name]
	}
	return e
}

// Same reports whether two values are.
func Same(a, b types.AttributeValue) bool { return a == b || compare("=", a, b) }

func idOf(key Row) string {
	s, _ := key["id"].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func (t *Table) sorted(rows map[string]Row) []Row {
	all := make([]Row, 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, rows[id])
	}
	return all
}

func invalid(format string, args ...any) error {
	return &unacceptable{fmt.Sprintf(format, args...)}
}
