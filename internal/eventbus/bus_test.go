package eventbus

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"example.com/dispatch/pkg/dispatch"
)

func config(endpoint string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint, HTTPClient: http.DefaultClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}
}

var failed = dispatch.Event{
	Kind: dispatch.TaskFailed, ID: "order-7", Queue: "bulk", Run: 2, State: dispatch.Held, Reason: "stop code 404", Attempts: 3,
	Group: "customer-1", Identifier: "import-7", Type: "invoice.paid",
}

func TestNotify(t *testing.T) {
	const taken = `{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}`
	for _, c := range []struct {
		name, bus, region string
		status            int
		answer            string
		warning           string // what it holds; "" for none
	}{
		{"taken", "alarms", "eu-west-1", 200, taken, ""},
		{"by ARN, in another region", "arn:aws:events:us-east-1:123456789012:event-bus/alarms", "us-east-1", 200, taken, ""},
		{"refused", "alarms", "eu-west-1", 200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"no"}]}`, "InternalFailure: no"},
		{"refused without a word", "alarms", "eu-west-1", 200, `{"FailedEntryCount":1}`, "refused"},
		{"not allowed", "alarms", "eu-west-1", 400, `{"__type":"AccessDeniedException"}`, "AccessDeniedException"},
		{"no JSON", "alarms", "eu-west-1", 200, `oh`, "reading the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				if r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" ||
					!strings.Contains(r.Header.Get("Authorization"), "/"+c.region+"/events/aws4_request") {
					t.Errorf("%v", r.Header)
				}
				var in struct {
					Entries []struct{ EventBusName, Source, DetailType, Detail string }
				}
				if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Entries) != 1 {
					t.Fatalf("%+v, %v", in, err)
				}
				e := in.Entries[0]
				const detail = `{"id":"order-7","queue":"bulk","run":2,"state":"held","reason":"stop code 404","attempts":3,"group":"customer-1","identifier":"import-7","type":"invoice.paid"}`
				if e.EventBusName != c.bus || e.Source != "dispatch" || e.DetailType != "Task Failed" || e.Detail != detail {
					t.Errorf("%+v", e)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.answer)
			}))
			defer server.Close()
			var log bytes.Buffer
			New(config(server.URL), c.bus, slog.New(slog.NewTextHandler(&log, nil))).Notify(t.Context(), failed)
			if calls != 1 {
				t.Errorf("%d calls", calls)
			}
			if got := log.String(); (got == "") != (c.warning == "") || !strings.Contains(got, c.warning) ||
				got != "" && !strings.Contains(got, `level=WARN msg="event not sent" id=order-7 kind="Task Failed"`) {
				t.Errorf("log %q, want %q", got, c.warning)
			}
		})
	}
}
