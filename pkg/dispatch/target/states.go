package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
)

const (
	alreadyStarted = "the execution had been started already"
	express        = "it is an EXPRESS state machine, which a repeated call would run again; only STANDARD ones are called"
	unknownType    = "Step Functions did not say whether the state machine is STANDARD"
)

// start starts an execution of a state machine, one for each run of a task: its name is the same for all attempts, and
// Step Functions refuses a name that it knows, for 90 days. What becomes of the execution is not looked at.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
func (w *AWS) start(ctx context.Context, c dispatch.Call, to dispatch.ARN, client *signed.Client, body []byte) dispatch.Answer {
	if a, ok := w.isStandard(ctx, c, client, to.Base); !ok {
		return a
	}
	r, failed := ask(ctx, c, client, "StartExecution", map[string]string{
		"stateMachineArn": c.Doc.URI, "name": executionName(c), "input": string(body),
	})
	if failed != nil {
		return *failed
	}
	a := w.answer(c, r)
	if kind, _ := r.fault(); !r.ok() && kind == "ExecutionAlreadyExists" {
		a.Said, a.Reason, a.Note = dispatch.OutcomeDelivered, "", alreadyStarted
	}
	return a
}

// isStandard reports whether the state machine is standard; if it is not, or not known to be, with the answer to the
// call. A state machine's type never changes, so Step Functions is asked once a process. Express ones start again for
// the same name, and their ARNs look the same.
func (w *AWS) isStandard(ctx context.Context, c dispatch.Call, client *signed.Client, arn string) (dispatch.Answer, bool) {
	if _, known := w.standard.Load(arn); known {
		return dispatch.Answer{}, true
	}
	r, failed := ask(ctx, c, client, "DescribeStateMachine", map[string]string{"stateMachineArn": arn, "includedData": "METADATA_ONLY"})
	if failed != nil {
		return *failed, false
	}
	a := w.answer(c, r)
	var machine struct{ Type string }
	switch err := json.Unmarshal(r.body, &machine); {
	case !r.ok():
	case err == nil && machine.Type == "STANDARD":
		w.standard.Store(arn, true)
		return dispatch.Answer{}, true
	case err == nil && machine.Type == "EXPRESS":
		a.Said, a.Reason = dispatch.OutcomeStopped, express
	default:
		a.Said, a.Reason = dispatch.OutcomeRetry, unknownType
	}
	return a, false
}

// ask calls an operation of Step Functions.
func ask(ctx context.Context, c dispatch.Call, client *signed.Client, operation string, input map[string]string) (reply, *dispatch.Answer) {
	body, err := json.Marshal(input)
	if err != nil {
		return reply{}, &dispatch.Answer{Error: line(err.Error())}
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AWSStepFunctions." + operation}}
	return post(ctx, c, client, "/", header, body)
}

// executionName names the execution of a run: what can be read of the task's id, and a hash. The time at which the task
// was made is in the hash, because an id is forgotten sooner than an execution's name: an id that is used again must
// not pass for delivered. Other characters than these keep an execution out of CloudWatch Logs.
func executionName(c dispatch.Call) string {
	const readable = 40
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		default:
			return '-'
		}
	}, c.Task.ID[:min(len(c.Task.ID), readable)])
	created := strconv.FormatInt(dispatch.Millis(c.Doc.CreatedAt), 10)
	sum := sha256.Sum256([]byte(c.IdempotencyKey() + "\n" + created))
	return name + "-" + hex.EncodeToString(sum[:16])
}
