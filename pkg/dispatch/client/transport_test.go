package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const input = `{"tasks":[{"uri":"https://example.com/"}]}`

// answering returns the URL of a server that answers so, and what it was asked.
func answering(t *testing.T, status int, header http.Header, body string) (url string, asked *http.Request) {
	t.Helper()
	asked = &http.Request{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != input {
			t.Errorf("came %q, %v", got, err)
		}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// outcome is what an Invoke returned, in one text.
func outcome(answer []byte, functionError string, err error) string {
	var status *client.StatusError
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("status %d", status.HTTPStatusCode())
	case err != nil:
		return "error"
	default:
		return strings.TrimSpace(functionError + " " + string(answer))
	}
}

func TestServer(t *testing.T) {
	problem := http.Header{"Content-Type": {"application/problem+json"}}
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   string
	}{
		{"all taken", 200, nil, `{"tasks":[]}`, `{"tasks":[]}`},
		{"some taken", 207, nil, `{"tasks":[]}`, `{"tasks":[]}`},
		{"faults", 400, problem, `{"status":400}`, `Unhandled {"errorMessage":"{\"status\":400}","errorType":"InvalidInput"}`},
		{"what another server refuses", 400, nil, `no`, "status 400"},
		{"no token", 401, problem, `{}`, "status 401"},
		{"too large", 413, problem, `{}`, "status 413"},
		{"a store that failed", 503, problem, `{}`, "status 503"},
		{"another server", 204, nil, "", "status 204"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, asked := answering(t, c.status, c.header, c.body)
			got := outcome(client.Server(url+"/", "secret", nil)(t.Context(), []byte(input)))
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if asked.URL.Path != "/tasks" || asked.Method != "POST" || asked.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("asked %s %s with %v", asked.Method, asked.URL, asked.Header)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		if got := outcome(client.Server("http://127.0.0.1:1", "", nil)(t.Context(), []byte(input))); got != "error" {
			t.Error(got)
		}
	})
}

func TestLambda(t *testing.T) {
	for _, c := range []struct {
		name, function string
		status         int
		header         http.Header
		body           string
		path, want     string
	}{
		{"an answer", "dispatch-enqueue", 200, nil, `{"tasks":[]}`, "/2015-03-31/functions/dispatch-enqueue/invocations", `{"tasks":[]}`},
		{"by ARN", "arn:aws:lambda:eu-west-1:123456789012:function:enqueue:live", 200, nil, `{}`,
			"/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aenqueue%3Alive/invocations", `{}`},
		{"the function's error", "e", 200, http.Header{"X-Amz-Function-Error": {"Unhandled"}}, `{"errorType":"NotStored"}`, "", `Unhandled {"errorType":"NotStored"}`},
		{"throttled", "e", 429, nil, `{}`, "", "status 429"},
		{"forbidden", "e", 403, nil, `{}`, "", "status 403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, asked := answering(t, c.status, c.header, c.body)
			invoke := client.Lambda(aws.Config{
				Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "token"),
			}, c.function)
			if got := outcome(invoke(t.Context(), []byte(input))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			signature := asked.Header.Get("Authorization")
			if !strings.HasPrefix(signature, "AWS4-HMAC-SHA256 Credential=key/") || !strings.Contains(signature, "/eu-west-1/lambda/aws4_request") {
				t.Errorf("signed %q", signature)
			}
			if path := asked.URL.EscapedPath(); c.path != "" && path != c.path || asked.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" {
				t.Errorf("asked for %s with %v", path, asked.Header)
			}
		})
	}
}

// TestLambdaByEnvironment has the endpoint where the SDK's own clients look for it.
func TestLambdaByEnvironment(t *testing.T) {
	for _, c := range []struct{ name, variable, other string }{
		{"of the service", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"},
		{"of all", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, _ := answering(t, 200, nil, `{"tasks":[]}`)
			t.Setenv(c.variable, url)
			t.Setenv(c.other, "http://127.0.0.1:1")
			t.Setenv("AWS_ACCESS_KEY_ID", "key")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			loaded, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"))
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(client.Lambda(loaded, "enqueue")(t.Context(), []byte(input))); got != `{"tasks":[]}` {
				t.Error(got)
			}
		})
	}
}

// TestHopeless holds what no repetition mends to one try: it would last as long as the context.
func TestHopeless(t *testing.T) {
	url, _ := answering(t, 200, nil, `{"tasks":[]}`)
	for name, invoke := range map[string]client.Invoke{
		"no credentials": client.Lambda(aws.Config{Region: "eu-west-1", BaseEndpoint: &url}, "enqueue"),
		"no region":      client.Lambda(aws.Config{Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}, "enqueue"),
		"no URL":         client.Server("127.0.0.1:8700:", "", nil),
	} {
		_, err := client.Client{Invoke: invoke}.Enqueue(t.Context(), client.Task{URI: uri})
		if err == nil || errors.Is(err, dispatch.ErrNotStored) {
			t.Errorf("%s: error %v, want one that is not of the time", name, err)
		}
	}
}
