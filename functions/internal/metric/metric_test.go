package metric

import (
	"strings"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	var b strings.Builder
	err := Sweep{Stack: "orders", OldestDueSeconds: 1.5, HandedOver: 3, OpenCircuits: 2}.Write(&b, time.UnixMilli(1769860800123))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_aws":{"Timestamp":1769860800123,"CloudWatchMetrics":[{"Namespace":"Dispatch","Dimensions":[["Stack"]],` +
		`"Metrics":[{"Name":"OldestDueSeconds","Unit":"Seconds"},{"Name":"HandedOver","Unit":"Count"},{"Name":"OpenCircuits","Unit":"Count"}]}]},` +
		`"Stack":"orders","OldestDueSeconds":1.5,"HandedOver":3,"OpenCircuits":2}` + "\n"
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
}
