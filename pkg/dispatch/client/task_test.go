package client_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/schema"
)

// TestFields holds the types to the schema: every field of it, under its name, and none besides.
func TestFields(t *testing.T) {
	var root struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(schema.Task(), &root); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		value   any
		without []string // older names
	}{
		{"task", client.Task{}, []string{"successCode"}},
		{"callback", client.Callback{}, nil},
		{"attempts", client.Attempts{}, nil},
	} {
		want := slices.Collect(maps.Keys(root.Defs[c.name].Properties))
		want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(c.without, name) })
		var got []string
		for field := range reflect.TypeOf(c.value).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v\nthe schema has %v", c.name, got, want)
		}
	}
	if b, err := json.Marshal(client.Task{OnFailure: &client.Callback{}}); err != nil || string(b) != `{"onFailure":{}}` {
		t.Errorf("zero values: %s, %v", b, err)
	}
}

// TestTask enqueues tasks with everything that one can have.
func TestTask(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	told := &client.Callback{
		URI: uri, Method: "PUT", Headers: map[string]any{"X-A": client.Secret("b/c")}, Format: dispatch.Raw, HTTPTimeout: 5, SuccessCodes: []string{"204"},
		StopCodes: []string{"404"}, WaitCodes: []string{}, Attempts: client.Attempts{Limit: 2}, Queue: "default", Lifetime: 60,
	}
	tasks := []client.Task{
		{
			ID: "a", OnConflict: client.Replace, URI: uri, Method: "PATCH", Headers: map[string]any{"X-A": "b", "Authorization": client.Secret("shop/token")}, Body: map[string]int{"n": 1},
			Format: dispatch.Raw, DueAt: soon, ExpireAt: soon.Add(time.Hour), SuccessCodes: []string{"2xx", "409"}, StopCodes: []string{"404", "500-503"},
			WaitCodes: []string{}, Attempts: client.Attempts{Limit: 3, Interval: 5, Backoff: 2, MaxInterval: 60, Jitter: 0.1}, HTTPTimeout: 7,
			Queue: "default", Tenant: "acme", Group: "g", GroupOnFailure: dispatch.Hold, Identifier: "i", When: `body.n == 1`, NotifyAttempts: 2,
			OnFailure: told, OnSuccess: told,
		},
		{ID: "b", URI: uri, Claims: map[string]string{"sub": "x"}, Delay: 1.5, Lifetime: 60, Attempts: client.Attempts{Intervals: []int{5, 10}}},
	}
	e := newEnqueue()
	if _, err := (client.Client{Invoke: e.invoke}).Enqueue(t.Context(), tasks...); err != nil {
		t.Fatal(err)
	}
	row := e.Get(t.Context(), []string{"a"})[0].Task
	d, err := dispatch.DecodeDoc(row.Doc)
	if err != nil {
		t.Fatal(err)
	}
	if row.Tenant != "acme" || d.Method != "PATCH" || string(d.Body) != `{"n":1}` || d.SuccessCodes.String() != "2xx,409" || d.StopCodes.String() != "404,500-503" || d.WaitCodes.String() != "" ||
		d.Attempts.Limit != 3 || d.HTTPTimeout != 7 || d.GroupOnFailure != dispatch.Hold || d.When == "" || d.OnFailure.Doc.WaitCodes.String() != "" ||
		d.OnSuccess.Lifetime != time.Minute || d.Headers["X-A"].Text != "b" || d.Headers["Authorization"].Secret != "shop/token" ||
		d.OnSuccess.Doc.Headers["X-A"].Secret != "b/c" || d.FirstDueAt.UnixMilli() < soon.UnixMilli() {
		t.Errorf("stored %+v", d)
	}
}
