package wiring

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name      string
		variables map[string]string
		want      string // what is read of those that have rules
		faults    string // the variables that the error names
	}{
		{name: "defaults", want: "168h0m0s 1 100000 4 second false jwt [] [] []"},
		{name: "all given", variables: map[string]string{
			"RETENTION_DAYS": "1", "TASKS_PER_HANDLE": "10", "SWEEP_LIMIT": "5", "SWEEP_PARTS": "16", "PRECISION": "always", "SIGN": "true", "SIGNING_MODE": "both",
			"ALLOWED_NETWORKS": "10.0.0.0/8, fd00::/8", "ALLOWED_PORTS": "443, 8000-8999", "PUBLISHED_KMS_KEYS": "arn:1, arn:2",
		}, want: "24h0m0s 10 5 16 always true both [10.0.0.0/8 fd00::/8] [{443 443} {8000 8999}] [arn:1 arn:2]"},
		{name: "all wrong", variables: map[string]string{
			"RETENTION_DAYS": "0", "TASKS_PER_HANDLE": "101", "SWEEP_LIMIT": "many", "SWEEP_PARTS": "17", "PRECISION": "hour", "SIGNING_MODE": "none",
			"ALLOWED_NETWORKS": "10.0.0.1", "ALLOWED_PORTS": "9-8", "TABLE": "", "AWS_REGION": "",
		}, faults: "RETENTION_DAYS TASKS_PER_HANDLE SWEEP_LIMIT SWEEP_PARTS PRECISION SIGNING_MODE ALLOWED_NETWORKS ALLOWED_PORTS TABLE AWS_REGION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := map[string]string{"TABLE": "tasks", "AWS_REGION": "eu-west-1"}
			maps.Copy(all, c.variables)
			e, err := Read(func(name string) string { return all[name] })
			if got := named(err); got != c.faults {
				t.Fatalf("faults %q, want %q", got, c.faults)
			}
			got := fmt.Sprintf("%v %d %d %d %s %t %s %v %v %v", e.Retention, e.TasksPerHandle, e.SweepLimit, e.SweepParts, e.Precision, e.Sign, e.SigningMode, e.AllowedNetworks, e.AllowedPorts, e.PublishedKMSKeys)
			if err == nil && got != c.want {
				t.Errorf("read %q, want %q", got, c.want)
			}
		})
	}
}

func named(err error) string {
	if err == nil {
		return ""
	}
	var names []string
	for line := range strings.Lines(err.Error()) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestAWS(t *testing.T) {
	for _, c := range []struct {
		name      string
		variables map[string]string
		endpoint  string
	}{
		{name: "none: the service's own"},
		{"for all services", map[string]string{"AWS_ENDPOINT_URL": "http://all"}, "http://all"},
		{"for this service", map[string]string{"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_LAMBDA": "http://this"}, "http://this"},
		{"for another", map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://other"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := map[string]string{
				"TABLE": "tasks", "AWS_REGION": "eu-west-1",
				"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
			}
			maps.Copy(all, c.variables)
			e, err := Read(func(name string) string { return all[name] })
			if err != nil {
				t.Fatal(err)
			}
			config := e.AWS(Lambda, 1)
			endpoint := ""
			if config.BaseEndpoint != nil {
				endpoint = *config.BaseEndpoint
			}
			if endpoint != c.endpoint || config.Region != "eu-west-1" {
				t.Errorf("region %q, endpoint %q, want %q", config.Region, endpoint, c.endpoint)
			}
			credentials, err := config.Credentials.Retrieve(t.Context())
			if err != nil || credentials.AccessKeyID != "id" || credentials.SecretAccessKey != "secret" || credentials.SessionToken != "token" {
				t.Errorf("credentials of %q with token %q: %v", credentials.AccessKeyID, credentials.SessionToken, err)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	lambdas, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	ctx, cancel := Within(lambdas, time.Second)
	defer cancel()
	if got, ok := ctx.Deadline(); !ok || !got.Equal(end.Add(-time.Second)) {
		t.Errorf("ends at %v, want a second before %v", got, end)
	}
	ctx, cancel = Within(t.Context(), time.Second)
	defer cancel()
	if got, ok := ctx.Deadline(); ok {
		t.Errorf("ends at %v, want no end", got)
	}
}
