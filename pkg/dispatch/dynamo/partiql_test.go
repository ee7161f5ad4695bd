package dynamo_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// BenchmarkPut puts 100 tasks at once: as the store does, each by a request of its own, side by side, and by statements of
// PartiQL, 25 a request, which the store does not use. DynamoDB Local's share of the processor is in both.
func BenchmarkPut(b *testing.B) {
	const together = 100
	tasks := func(b *testing.B, n int) []dispatch.Task {
		all := make([]dispatch.Task, together)
		for i := range all {
			all[i] = newTask(fmt.Sprintf("%s %d %d", b.Name(), n, i))
		}
		return all
	}
	s := dynamo.Store{Client: server.Client(b, nil), Table: server.Table(b)}
	b.Run("PutItem", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			for _, r := range s.Put(b.Context(), now, tasks(b, n)) {
				if r.Err != nil || r.Existing {
					b.Fatal(r)
				}
			}
		}
		b.ReportMetric(together, "requests/op")
	})
	b.Run("PartiQL", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			var wg sync.WaitGroup
			for _, part := range slices.Collect(slices.Chunk(tasks(b, n), 25)) {
				wg.Go(func() {
					for _, r := range insert(b, s, part).Responses {
						if r.Error != nil {
							b.Error(aws.ToString(r.Error.Message))
						}
					}
				})
			}
			wg.Wait()
		}
		b.ReportMetric(together/25, "requests/op")
	})
}

// insert puts tasks by one statement each.
func insert(t testing.TB, s dynamo.Store, tasks []dispatch.Task) *dynamodb.BatchExecuteStatementOutput {
	t.Helper()
	var in dynamodb.BatchExecuteStatementInput
	for _, task := range tasks {
		in.Statements = append(in.Statements, types.BatchStatementRequest{
			Statement: aws.String(fmt.Sprintf(`INSERT INTO "%s" VALUE {'id': ?, 'state': ?, 'queue': ?, 'run': ?, 'doc': ?, 'hash': ?, 'timeout': ?, 'expireAt': ?, 'dueAt': ?, 'lane': ?, 'generation': ?, 'ttl': ?, 'version': ?}`, s.Table)),
			Parameters: []types.AttributeValue{
				text(task.ID), text(string(task.State)), text(task.Queue), number(1), &types.AttributeValueMemberB{Value: task.Doc}, &types.AttributeValueMemberB{Value: task.Hash},
				number(task.Timeout.Milliseconds()), number(dispatch.Millis(task.ExpireAt)), number(dispatch.Millis(task.DueAt)), text(task.Lane), number(task.Generation), number(task.TTL.Unix()), number(int64(task.Version)),
			},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
	}
	out, err := s.Client.BatchExecuteStatement(t.Context(), &in)
	if err != nil {
		t.Error(err)
		return &dynamodb.BatchExecuteStatementOutput{}
	}
	return out
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// TestPartiQLKnowsLessOfARefusal says why the store does not put by PartiQL: an INSERT takes no condition, so a row past its
// ttl is in the way of a new task until DynamoDB deletes it, which a put overwrites; and of a duplicate nothing comes back
// that tells a task's own earlier try, the same task or a conflict, which a put learns from its refusal.
func TestPartiQLKnowsLessOfARefusal(t *testing.T) {
	t.Parallel()
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	task := newTask("partiql")
	if r := insert(t, s, []dispatch.Task{task}).Responses[0]; r.Error != nil {
		t.Fatal(r.Error)
	}
	r := insert(t, s, []dispatch.Task{task}).Responses[0]
	if r.Error == nil || r.Error.Code != types.BatchStatementErrorCodeEnumDuplicateItem || r.Error.Item != nil {
		t.Errorf("a duplicate: %+v", r.Error)
	}
	task.Generation++
	if r := s.Put(t.Context(), task.TTL, []dispatch.Task{task})[0]; r.Err != nil || r.Existing {
		t.Errorf("a put over a row past its ttl: %+v", r)
	}
	if r := insert(t, s, []dispatch.Task{task}).Responses[0]; r.Error == nil {
		t.Error("an INSERT took the place of a row")
	}
}
