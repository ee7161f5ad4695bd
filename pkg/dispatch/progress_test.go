package dispatch

import (
	"testing"
	"time"
)

func TestPlainProgressIsWrittenAsJSON(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	one, failed := Attempt{at, 204, 12 * time.Millisecond}, Attempt{at.Add(-time.Minute), 0, 30 * time.Second}
	for _, c := range []struct {
		name  string
		p     []Progress
		plain bool
	}{
		{"one attempt", []Progress{{Attempts: 1, Last: []Attempt{one}}}, true},
		{"several attempts", []Progress{{Attempts: 7, Last: []Attempt{failed, failed, one}}}, true},
		{"an error", []Progress{{Attempts: 1, Last: []Attempt{failed}, Error: `"timeout"`}}, false},
		{"waiting", []Progress{{WaitingSince: at, Last: []Attempt{one}}}, false},
		{"both", []Progress{{Attempts: 1, WaitingSince: at, Last: []Attempt{one}}}, false},
		{"nothing", []Progress{{}}, false},
		{"one of a route", []Progress{{Attempts: 1, Last: []Attempt{one}, State: Delivered, EndedAt: at}}, false},
		{"two targets", []Progress{{Attempts: 1, Last: []Attempt{one}}, {}}, false},
	} {
		want, err := jsonProgress(c.p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := EncodeProgress(c.p); err != nil || string(got) != string(want) {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, want)
		}
		if _, plain := plainProgress(c.p); plain != c.plain {
			t.Errorf("%s: plain %v", c.name, plain)
		}
	}
}
