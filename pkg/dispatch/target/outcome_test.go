package target

import (
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func TestSay(t *testing.T) {
	never := time.Duration(-1)
	for _, test := range []struct {
		values []string
		said   dispatch.Outcome // "" where it is malformed
		after  time.Duration
		reason string
	}{
		{[]string{"delivered"}, dispatch.OutcomeDelivered, never, ""},
		{[]string{"retry"}, dispatch.OutcomeRetry, never, ""},
		{[]string{" stop "}, dispatch.OutcomeStopped, never, ""},
		{[]string{`wait;after=30;reason="busy"`}, dispatch.OutcomeWait, 30 * time.Second, "busy"},
		{[]string{`retry; after=1.5`}, dispatch.OutcomeRetry, 1500 * time.Millisecond, ""},
		{[]string{`wait;after=0`}, dispatch.OutcomeWait, 0, ""},
		{[]string{`wait;after=999999999999999`}, dispatch.OutcomeWait, dispatch.MaxWaiting, ""},
		{[]string{`stop;reason="a \"b\" c";other=1`}, dispatch.OutcomeStopped, never, `a "b" c`},
		{[]string{""}, "", never, ""},
		{[]string{"Delivered"}, "", never, ""},
		{[]string{`"delivered"`}, "", never, ""},
		{[]string{"later"}, "", never, ""},
		{[]string{"delivered, retry"}, "", never, ""},
		{[]string{"delivered", "retry"}, "", never, ""},
		{[]string{"wait;after=-1"}, "", never, ""},
		{[]string{"wait;after=soon"}, "", never, ""},
		{[]string{`wait;after="30"`}, "", never, ""},
		{[]string{"wait;after"}, "", never, ""},
		{[]string{"wait;reason=busy"}, "", never, ""},
		{[]string{`wait;reason="é"`}, "", never, ""},
		{[]string{"wait;after=30;"}, "", never, ""},
	} {
		var a dispatch.Answer
		say(&a, test.values)
		after := never
		if a.After != nil {
			after = *a.After
		}
		if a.Said != test.said || after != test.after || a.Reason != test.reason || (a.Note != "") != (test.said == "") {
			t.Errorf("%q: %q after %v because %q, note %q", test.values, a.Said, after, a.Reason, a.Note)
		}
	}
}

func FuzzSay(f *testing.F) {
	f.Add(`wait;after=30;reason="busy"`)
	f.Add(`stop;reason="\\"`)
	f.Fuzz(func(t *testing.T, value string) {
		var a dispatch.Answer
		say(&a, []string{value})
		if a.Note != "" && (a.Said != "" || a.After != nil || a.Reason != "") {
			t.Errorf("malformed, but taken: %+v", a)
		}
		if a.After != nil && (*a.After < 0 || *a.After > dispatch.MaxWaiting) {
			t.Errorf("after %v", *a.After)
		}
	})
}
