// Package eventbus puts events on an EventBridge bus.
package eventbus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
)

// Source is the source of all events.
const Source = "dispatch"

// Bus is an event bus. It is safe for concurrent use.
type Bus struct {
	client *signed.Client
	name   string
	log    *slog.Logger
}

// New returns the bus of this name or ARN. It is in the configuration's region, unless its ARN names another.
func New(config aws.Config, bus string, log *slog.Logger) *Bus {
	if part := strings.Split(bus, ":"); len(part) > 3 && part[0] == "arn" {
		config.Region = part[3]
	}
	return &Bus{client: signed.New(config, "events"), name: bus, log: log}
}

// Notify puts one event, once. That it failed is logged: the store has what the event would tell.
func (b *Bus) Notify(ctx context.Context, e dispatch.Event) {
	if err := b.put(ctx, e); err != nil {
		b.log.LogAttrs(ctx, slog.LevelWarn, "event not sent", slog.String("id", e.ID), slog.String("kind", string(e.Kind)), slog.Any("error", err))
	}
}

// entry is an event as EventBridge takes it.
type entry struct {
	Bus    string `json:"EventBusName"`
	Source string
	Kind   dispatch.EventKind `json:"DetailType"`
	Detail string
}

// put puts one event. Status 200 does not mean that it was taken.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
func (b *Bus) put(ctx context.Context, e dispatch.Event) error {
	detail, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	body, err := json.Marshal(map[string][]entry{"Entries": {{Bus: b.name, Source: Source, Kind: e.Kind, Detail: string(detail)}}})
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AWSEvents.PutEvents"}}
	answer, err := b.client.Post(ctx, "/", header, body)
	if err != nil {
		return fmt.Errorf("putting an event: %w", err)
	}
	var out struct {
		FailedEntryCount int
		Entries          []struct{ ErrorCode, ErrorMessage string }
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return fmt.Errorf("putting an event: reading the answer: %w", err)
	}
	if out.FailedEntryCount == 0 {
		return nil
	}
	for _, one := range out.Entries {
		if one.ErrorCode != "" {
			return fmt.Errorf("putting an event: refused: %s: %s", one.ErrorCode, one.ErrorMessage)
		}
	}
	return fmt.Errorf("putting an event: refused")
}
