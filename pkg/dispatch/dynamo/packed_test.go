package dynamo_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributes are those of a task's row, as they are stored.
func attributes(t *testing.T, s dynamo.Store, id string) map[string]types.AttributeValue {
	t.Helper()
	out, err := s.Client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &s.Table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func isPacked(t *testing.T, s dynamo.Store, id string) bool {
	t.Helper()
	return attributes(t, s, id)["packed"] != nil
}

// TestPackedLife takes tasks with compressed documents through everything that writes and reads them.
func TestPackedLife(t *testing.T) {
	t.Parallel()
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	task := newTask("packed")
	ofJSON(t, s, &task)
	task.Version = 1
	for _, existing := range []bool{false, false} { // the second is the same put again, whose answer was lost
		r := s.Put(t.Context(), now, []dispatch.Task{task})[0]
		if r.Err != nil || r.Existing != existing || !reflect.DeepEqual(r.Task, task) {
			t.Fatalf("put: %+v", r)
		}
	}
	if !isPacked(t, s, task.ID) {
		t.Fatal("not compressed")
	}

	// As older code claims: it knows versions up to 3.
	_, err := s.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &s.Table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: task.ID}},
		UpdateExpression: aws.String("SET lease = :x"), ConditionExpression: aws.String("version <= :known"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":x": &types.AttributeValueMemberS{Value: "x"}, ":known": &types.AttributeValueMemberN{Value: "3"}},
	})
	if refused := (*types.ConditionalCheckFailedException)(nil); !errors.As(err, &refused) {
		t.Errorf("older code: %v, want it refused", err)
	}

	doc := task.Doc
	claim(t, s, &task)
	retry(t, s, &task)
	claim(t, s, &task)
	fail(t, s, &task)
	if got := s.Get(t.Context(), []string{task.ID})[0].Task; string(got.Doc) != string(doc) || got.Version != 1 {
		t.Errorf("version %d of %d bytes, want 1 of %d", got.Version, len(got.Doc), len(doc))
	}
	for listed, err := range s.List(t.Context(), dispatch.Filter{Lanes: []string{task.Lane}}) {
		if err != nil || string(listed.Doc) != string(doc) {
			t.Errorf("listed %d bytes, %v", len(listed.Doc), err)
		}
	}
	again(t, s, &task)
	if !isPacked(t, s, task.ID) || string(task.Doc) != string(doc) {
		t.Error("not compressed by an edit")
	}
	edit(t, s, &task, func(t *dispatch.Task) { t.Doc = []byte("{}") })
	if row := attributes(t, s, task.ID); row["packed"] != nil || row["version"].(*types.AttributeValueMemberN).Value != "1" {
		t.Error("a small document is still marked as compressed")
	}
	edit(t, s, &task, func(t *dispatch.Task) { t.Doc = doc })
	if got := s.Get(t.Context(), []string{task.ID})[0].Task; !isPacked(t, s, task.ID) || !reflect.DeepEqual(got, task) {
		t.Errorf("%+v, want %+v, compressed", got, task)
	}
}

// TestPackedTogether compresses what transactions put: members of groups, and callbacks.
func TestPackedTogether(t *testing.T) {
	t.Parallel()
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	members := []dispatch.Task{newTask("first"), newTask("second")}
	for i := range members {
		ofJSON(t, s, &members[i])
		members[i].Group = "g"
	}
	for i, r := range s.Put(t.Context(), now, members) {
		if r.Err != nil || string(r.Task.Doc) != string(members[i].Doc) || !isPacked(t, s, r.Task.ID) {
			t.Errorf("%+v", r)
		}
	}
	callback := newTask("first/1/success")
	ofJSON(t, s, &callback)
	head := s.Claim(t.Context(), []string{"first"}, lease(now))[0].Task
	if next, err := s.Settle(t.Context(), delivered(head), callback); err != nil || next.ID != "second" {
		t.Fatal(next, err)
	}
	if got := s.Get(t.Context(), []string{callback.ID})[0]; !reflect.DeepEqual(got.Task, callback) || !isPacked(t, s, callback.ID) {
		t.Errorf("%+v", got)
	}
}

// TestOutboxPacks compresses only for a stack that says that it reads it.
func TestOutboxPacks(t *testing.T) {
	t.Parallel()
	task := client.Task{ID: "large", URI: uri, Body: strings.Repeat("paid ", 700), Lifetime: 3600}
	for version, want := range map[int]bool{0: false, 3: false, 4: true, 5: true} {
		r := newRig(t)
		r.Stack.FormatVersion = version
		items := []types.TransactWriteItem{r.item(task)}
		if err := r.commit(items...); err != nil {
			t.Fatal(err)
		}
		if got := isPacked(t, r.store, task.ID); got != want {
			t.Errorf("format version %d: compressed: %v", version, got)
		}
		if _, same, ok := dynamo.AlreadyThere(r.commit(items...), items, 0); !same || !ok {
			t.Errorf("format version %d: not the same task again", version)
		}
		got := r.store.Get(t.Context(), []string{task.ID})[0].Task
		if doc, err := dispatch.DecodeDoc(got.Doc); err != nil || !strings.Contains(string(doc.Body), "paid paid") || got.Version != 1 {
			t.Errorf("format version %d: %+v, %v", version, got, err)
		}
	}
}
