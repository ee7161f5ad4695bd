package grants

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Services plays AWS: it notes what IAM would be asked for each request, and answers; DynamoDB Local answers what is for
// DynamoDB. Names are of [Account] and [Region].
type Services struct {
	Secrets map[string]string       // what a secret holds, by the name or ARN that it is asked by
	Keys    map[string]string       // the customer-managed KMS key of a secret, by the same
	KMS     http.Handler            // plays KMS; nil: it refuses
	Machine func(arn string) string // the type of a state machine; nil: all are STANDARD

	dynamodb http.Handler
	mu       sync.Mutex
	calls    map[Call]bool
}

// Serve answers at the URL that it returns, until the test ends.
func (s *Services) Serve(t testing.TB, dynamodb string) string {
	t.Helper()
	to, err := url.Parse(dynamodb)
	if err != nil {
		t.Fatal(err)
	}
	s.dynamodb, s.calls = httputil.NewSingleHostReverseProxy(to), map[Call]bool{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Calls returns what was noted, in order, each once.
func (s *Services) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.calls), func(a, b Call) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Keys, b.Keys))
	})
}

func (s *Services) note(calls ...Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range calls {
		s.calls[c] = true
	}
}

// ServeHTTP implements [http.Handler].
func (s *Services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	service := signedFor(r)
	if service == "dynamodb" {
		s.note(items(operation, body)...)
		s.dynamodb.ServeHTTP(w, r)
		return
	}
	var in struct{ SecretId, KeyId, StateMachineArn string }
	if err := json.Unmarshal(body, &in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch service + ":" + operation {
	case "lambda:":
		s.note(Call{Action: "lambda:InvokeFunction", Resource: invoked(r.URL)})
		if r.Header.Get("X-Amz-Invocation-Type") == "Event" {
			w.WriteHeader(http.StatusAccepted)
		}
	case "secretsmanager:GetSecretValue":
		s.secret(w, in.SecretId)
	case "states:StartExecution", "states:DescribeStateMachine":
		s.machine(w, service+":"+operation, in.StateMachineArn)
	case "events:PutEvents":
		s.note(buses(body)...)
		io.WriteString(w, `{"FailedEntryCount":0}`)
	case "kms:Sign", "kms:GetPublicKey":
		s.note(Call{Action: service + ":" + operation, Resource: in.KeyId})
		if s.KMS != nil {
			s.KMS.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
	default:
		s.note(Call{Action: service + ":" + operation, Resource: r.URL.Path})
		w.WriteHeader(http.StatusBadRequest)
	}
}

// signedFor is the service in a request's signature: AWS4-HMAC-SHA256 Credential=<key>/<day>/<region>/<service>/aws4_request, …
func signedFor(r *http.Request) string {
	if parts := strings.Split(r.Header.Get("Authorization"), "/"); len(parts) > 3 {
		return parts[3]
	}
	return "unsigned"
}

// secret answers what a secret holds. One under a customer-managed key Secrets Manager decrypts in the caller's name.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
func (s *Services) secret(w http.ResponseWriter, id string) {
	arn := id
	if !strings.HasPrefix(id, "arn:") {
		arn = "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:" + id + "-AbCdEf"
	}
	s.note(Call{Action: "secretsmanager:GetSecretValue", Resource: arn})
	if key := s.Keys[id]; key != "" {
		s.note(Call{Action: "kms:Decrypt", Resource: key, Keys: "kms:ViaService=secretsmanager." + Region + ".amazonaws.com"})
	}
	text, ok := s.Secrets[id]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"ResourceNotFoundException"}`)
		return
	}
	json.NewEncoder(w).Encode(map[string]string{"SecretString": text})
}

// machine answers for a state machine. Its version or alias is no part of the resource, but a condition key
// (states:StateMachineQualifier).
// https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html
func (s *Services) machine(w http.ResponseWriter, action, arn string) {
	if parts := strings.Split(arn, ":"); len(parts) > 7 {
		arn = strings.Join(parts[:7], ":")
	}
	s.note(Call{Action: action, Resource: arn})
	kind := "STANDARD"
	if s.Machine != nil {
		kind = s.Machine(arn)
	}
	fmt.Fprintf(w, `{"type":%q}`, kind)
}

// invoked is the ARN in /2015-03-31/functions/<name or ARN>/invocations.
func invoked(u *url.URL) string {
	parts := strings.Split(u.EscapedPath(), "/")
	if len(parts) != 5 || parts[4] != "invocations" {
		return u.Path
	}
	name, err := url.PathUnescape(parts[3])
	if err != nil || strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:aws:lambda:" + Region + ":" + Account + ":function:" + name
}

func buses(body []byte) []Call {
	var in struct {
		Entries []struct{ EventBusName string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return []Call{{Action: "events:PutEvents", Resource: err.Error()}}
	}
	var all []Call
	for _, e := range in.Entries {
		arn := e.EventBusName
		if !strings.HasPrefix(arn, "arn:") {
			arn = "arn:aws:events:" + Region + ":" + Account + ":event-bus/" + arn
		}
		all = append(all, Call{Action: "events:PutEvents", Resource: arn})
	}
	return all
}
