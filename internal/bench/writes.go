package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const writesTime = 2 * time.Minute

// writes has the store's own test count what each path costs on a real DynamoDB Local: it asserts the design's figures.
func (b *bench) writes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writesTime)
	defer cancel()
	const counter = "TestWrites" // and of an outbox: TestOutboxWrites
	text, err := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^Test(Outbox)?Writes$", "./pkg/dispatch/dynamo").CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if strings.Contains(string(text), "--- SKIP: "+counter) {
		b.table.leaveOut("DynamoDB writes: DynamoDB Local needs Java 17 and, once, Maven")
		return nil
	}
	// writes_test.go:57: one retry    [2 1 3 1 2] = 9 writes
	line := regexp.MustCompile(`(?m)^\s+\S+_test\.go:\d+: (.+?)\s+\[([\d. ]+)\] = ([\d.]+) writes$`)
	found := line.FindAllStringSubmatch(string(text), -1)
	for _, f := range found {
		units, parsed := strconv.ParseFloat(f[3], 64)
		if parsed != nil {
			return parsed
		}
		b.table.add(figure{"writes", f[1], units, "writes", "", nil, "write units by ReturnConsumedCapacity, step by step: " + strings.ReplaceAll(f[2], " ", " + ")})
	}
	if len(found) == 0 {
		err = errors.Join(err, errors.New("the test counted nothing"))
	}
	if err != nil {
		return fmt.Errorf("counting writes: %w\n%s", err, text)
	}
	return nil
}
