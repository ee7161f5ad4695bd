package function

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// again lists the messages that SQS is to deliver again, and after enough times to move to its dead-letter queue.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
type again struct {
	Failures []failedMessage `json:"batchItemFailures"` // empty: all were taken
}

type failedMessage struct {
	ID string `json:"itemIdentifier"`
}

// sideBySide is how many messages are enqueued at once.
const sideBySide = 16

// messages enqueues what each message holds, by itself: one that fails does not touch the others. Those of a queue that
// keeps the order are taken one after another, and after one that failed none.
func (e Enqueue) messages(ctx context.Context, all []message) again {
	answer := again{Failures: []failedMessage{}}
	taken := make([]bool, len(all))
	wide := sideBySide
	if all[0].fifo { // an event's messages are of one queue
		wide = 1
	}
	slots := make(chan struct{}, wide)
	var wg sync.WaitGroup
	for i, m := range all {
		slots <- struct{}{}
		if m.fifo && i > 0 && !taken[i-1] {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			taken[i] = e.take(ctx, m)
		})
	}
	wg.Wait()
	for i, m := range all {
		if !taken[i] {
			answer.Failures = append(answer.Failures, failedMessage{m.id})
		}
	}
	return answer
}

// take enqueues what a message holds, and reports whether all of it is stored. A message may hold an event of
// EventBridge, whose rule sent it to the queue.
func (e Enqueue) take(ctx context.Context, m message) bool {
	in, faults := readInput([]byte(m.body), m.id)
	var err error
	if faults != nil {
		err = invalid(faults)
	} else {
		in.unread = true
		_, err = e.run(ctx, in)
	}
	if err == nil {
		return true
	}
	attrs := []slog.Attr{slog.String("messageId", m.id)}
	if own, ok := errors.AsType[*Error](err); ok {
		attrs = append(attrs, slog.String("errorType", own.Type), slog.Any("pointers", own.pointers()))
	} else {
		attrs = append(attrs, slog.Any("error", err))
	}
	e.Log.LogAttrs(ctx, slog.LevelError, "message not taken", attrs...)
	return false
}
