package target

import (
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"example.com/dispatch/pkg/dispatch"
)

// OutcomeHeader is the header in which a receiver says what its answer means, whatever the status: a
// structured field (RFC 9651, an Item) that is delivered, retry, wait or stop, with the optional parameters
// after, in seconds, and reason, a string: wait;after=30;reason="busy".
const OutcomeHeader = "Dispatch-Outcome"

const (
	malformed = "its " + OutcomeHeader + " cannot be read"
	maxReason = 120 // bytes: progress keeps 200 of an error's text
)

// say puts what the receiver said into the answer. What cannot be read counts as not said, and is noted.
func say(a *dispatch.Answer, values []string) {
	item, err := httpsfv.UnmarshalItem(values)
	if err != nil {
		a.Note = malformed
		return
	}
	word, _ := item.Value.(httpsfv.Token)
	said := dispatch.Answer{}
	switch word {
	case "delivered":
		said.Said = dispatch.OutcomeDelivered
	case "retry":
		said.Said = dispatch.OutcomeRetry
	case "wait":
		said.Said = dispatch.OutcomeWait
	case "stop":
		said.Said = dispatch.OutcomeStopped
	default:
		a.Note = malformed
		return
	}
	if v, there := item.Params.Get("after"); there {
		after, ok := seconds(v)
		if !ok {
			a.Note = malformed
			return
		}
		said.After = &after
	}
	if v, there := item.Params.Get("reason"); there {
		reason, ok := v.(string)
		if !ok {
			a.Note = malformed
			return
		}
		said.Reason = strings.TrimSpace(reason[:min(len(reason), maxReason)])
	}
	a.Said, a.After, a.Reason = said.Said, said.After, said.Reason
}

// seconds reads a number of seconds, 14 days at most.
func seconds(v any) (time.Duration, bool) {
	var n float64
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	default:
		return 0, false
	}
	if n < 0 {
		return 0, false
	}
	return time.Duration(min(n, dispatch.MaxWaiting.Seconds()) * float64(time.Second)), true
}
