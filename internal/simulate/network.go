package simulate

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	awshttp "github.com/aws/smithy-go/transport/http"
)

// unanswered is when the functions' HTTP client gives a request up that has no answer.
const unanswered = 5 * time.Second

// fate is what becomes of a request.
type fate struct {
	instead error         // performed or not, this is the answer
	never   bool          // it is not performed
	lands   time.Duration // when it is performed
	answer  time.Duration // when the answer is there
	kill    bool          // the process dies instead of getting it
}

var (
	errThrottled = &types.ProvisionedThroughputExceededException{Message: aws.String("throttled")}
	errInternal  = &awshttp.ResponseError{
		Response: &awshttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err:      &smithy.GenericAPIError{Code: "InternalServerError", Message: "internal", Fault: smithy.FaultServer},
	}
	errReset  = &awshttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}
	errSilent = &awshttp.RequestSendError{Err: errors.New("net/http: timeout awaiting response headers")}
)

func (w *world) fateOf(d *dice, in any) fate {
	f := w.faults
	if w.calm {
		f = faults{}
	}
	lands := d.between(time.Millisecond, 8*time.Millisecond)
	x := fate{lands: lands, answer: lands + d.between(time.Millisecond, 8*time.Millisecond)}
	if d.chance(f.slow) {
		x.lands += d.between(0, 2*time.Second)
		x.answer = x.lands + d.between(0, 2*time.Second)
	}
	if d.chance(f.killed) {
		x.kill, x.never = true, d.chance(0.4)
		if d.chance(f.late) {
			x.answer, x.lands = x.lands, x.lands+d.between(0, f.lateBy)
		}
		return x
	}
	if f.blind && ofCircuits(in) {
		x.instead, x.never = errThrottled, true
		return x
	}
	_, transaction := in.(*dynamodb.TransactWriteItemsInput)
	switch {
	case d.chance(f.throttled):
		x.instead, x.never = errThrottled, true
	case d.chance(f.failed):
		x.instead, x.never = errInternal, d.chance(0.5)
	case d.chance(f.lost):
		x.instead, x.never = errReset, d.chance(0.3)
		if d.chance(0.3) {
			x.instead, x.answer = errSilent, unanswered
		}
		if d.chance(f.late) {
			x.lands = x.answer + d.between(0, f.lateBy)
		}
	case writes(in) && d.chance(f.conflict):
		x.never = true
		x.instead = &types.TransactionConflictException{Message: aws.String("conflict")}
		if transaction {
			x.instead = conflictWith(in.(*dynamodb.TransactWriteItemsInput), d)
		}
	}
	if d.chance(f.stalled) {
		x.answer += d.between(0, f.stalledFor)
	}
	return x
}

func conflictWith(in *dynamodb.TransactWriteItemsInput, d *dice) error {
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	for i := range reasons {
		reasons[i].Code = aws.String("None")
	}
	reasons[d.below(len(reasons))].Code = aws.String(one(d, "TransactionConflict", "ThrottlingError"))
	return &types.TransactionCanceledException{Message: aws.String("cancelled"), CancellationReasons: reasons}
}

func writes(in any) bool {
	switch in.(type) {
	case *dynamodb.PutItemInput, *dynamodb.UpdateItemInput, *dynamodb.DeleteItemInput, *dynamodb.TransactWriteItemsInput:
		return true
	}
	return false
}

// request is one try at a request, by a process.
func (p *process) request(ctx context.Context, in any) (out any, err error) {
	w := p.world
	p.effect(describe(in), func(d *dice) time.Duration {
		x := w.fateOf(d, in)
		w.checker.settling(p, in)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < x.answer {
			x.answer = max(time.Until(deadline), 1)
			if x.instead == nil && x.lands >= x.answer {
				x.instead = &aws.RequestCanceledError{Err: context.DeadlineExceeded}
			}
		}
		if !x.never {
			w.schedule.in(x.lands, p.name+" "+describe(in)+" lands", func() {
				answer, failure := w.perform(p, in, d)
				if x.instead == nil {
					out, err = answer, failure
					w.checker.asked(p, in, answer, failure, x.answer-x.lands)
				}
			})
		}
		if ofCircuits(in) && (x.instead != nil || x.answer > 100*time.Millisecond) {
			w.checker.troubled(p, x.answer)
		}
		if x.instead != nil {
			err = x.instead
			p.tell("%s: %v%s", describe(in), err, map[bool]string{true: ", not done", false: ", but done"}[x.never])
		}
		if x.kill {
			w.schedule.in(x.answer, p.name+" "+describe(in)+" dies", p.die)
			x.answer++
		}
		return x.answer
	})
	return out, err
}

// perform does a request to the table, and has the checker see what changed.
func (w *world) perform(p *process, in any, d *dice) (any, error) {
	if batch, ok := in.(*dynamodb.BatchGetItemInput); ok && !w.calm && d.chance(w.faults.unprocessed) {
		return w.inPart(batch, d)
	}
	out, err := w.door(p, in)
	if w.story != nil && worthTelling(in) {
		p.tell("%s: %s", describe(in), outcomeOf(out, err))
	}
	return out, err
}

// door is where requests come to the table.
func (w *world) door(p *process, in any) (any, error) {
	if w.defect.door != nil {
		return w.defect.door(w, p, in)
	}
	return w.do(p, in)
}

// do performs a request as it is.
func (w *world) do(p *process, in any) (any, error) {
	out, changes, err := w.table.Do(in)
	w.changed(p, changes)
	return out, err
}

func (w *world) changed(p *process, changes []table.Change) {
	for _, c := range changes {
		w.checker.change(p, c)
		w.expire(c)
	}
}

// inPart answers a batch, but for some of its keys.
func (w *world) inPart(in *dynamodb.BatchGetItemInput, d *dice) (any, error) {
	part := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{}}
	left := map[string]types.KeysAndAttributes{}
	for name, keys := range in.RequestItems {
		n := d.below(len(keys.Keys) + 1)
		done, rest := keys, keys
		done.Keys, rest.Keys = keys.Keys[:n], keys.Keys[n:]
		part.RequestItems[name] = done
		if len(rest.Keys) > 0 {
			left[name] = rest
		}
	}
	out, _, err := w.table.Do(part)
	if err != nil {
		return nil, err
	}
	answer := out.(*dynamodb.BatchGetItemOutput)
	answer.UnprocessedKeys = left
	return answer, nil
}
