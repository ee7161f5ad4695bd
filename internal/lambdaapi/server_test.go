package lambdaapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/internal/lambdaapi"
)

// runtime asks for one invocation, as a function's process does, and answers it; how is "response" or "error".
func runtime(t *testing.T, s *lambdaapi.Server, process, how, answer string) (event string) {
	t.Helper()
	of := s.URL + "/runtime/handle/" + process + "/2018-06-01/runtime/invocation/"
	next, err := http.Get(of + "next")
	if err != nil {
		t.Fatal(err)
	}
	defer next.Body.Close()
	got, err := io.ReadAll(next.Body)
	if err != nil {
		t.Fatal(err)
	}
	if busy := s.Busy("handle"); len(busy) != 1 || busy[0] != process {
		t.Errorf("busy are %q, want %q", busy, process)
	}
	done, err := http.Post(of+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/"+how, "", strings.NewReader(answer))
	if err != nil {
		t.Fatal(err)
	}
	done.Body.Close()
	return string(got)
}

func TestServer(t *testing.T) {
	s := lambdaapi.New(1)
	defer s.Close()
	for how, answer := range map[string]string{"response": `{"ok":true}`, "error": `{"errorType":"InvalidInput","errorMessage":"no uri"}`} {
		ran := make(chan string)
		go func() { ran <- runtime(t, s, "handle-1", how, answer) }()
		payload, err := s.Call(t.Context(), "handle", []byte(how))
		if event := <-ran; event != how {
			t.Errorf("the event was %q, want %q", event, how)
		}
		failed, is := errors.AsType[*lambdaapi.Error](err)
		switch {
		case how == "response" && (err != nil || string(payload) != answer):
			t.Errorf("answered %s, %v", payload, err)
		case how == "error" && (!is || failed.Type != "InvalidInput" || failed.Message != "no uri"):
			t.Errorf("failed with %v", err)
		}
	}
	if of, failures := s.Billed(); of["handle"].Invocations != 2 || of["handle"].Wall < 2*time.Millisecond || len(failures) != 1 || !s.Idle() {
		t.Errorf("billed %v, failures %q, idle %v", of, failures, s.Idle())
	}
	event := func() int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/2015-03-31/functions/handle/invocations", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Invocation-Type", "Event")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for _, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if got := event(); got != want {
			t.Errorf("an event is answered %d, want %d", got, want)
		}
	}
	if s.Waiting("handle") != 1 || s.Idle() {
		t.Errorf("%d wait, idle %v", s.Waiting("handle"), s.Idle())
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Call(over, "sweep", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that nobody takes: %v", err)
	}
}

// TestMain is a function's process that takes an invocation and does nothing with it, where one is asked for.
func TestMain(m *testing.M) {
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		http.Get("http://" + api + "/2018-06-01/runtime/invocation/next")
		select {}
	}
	os.Exit(m.Run())
}

func TestAKilledProcessEndsWhatItHasTaken(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := lambdaapi.New(1)
	defer s.Close()
	p, err := s.Start(io.Discard, self, "handle", "handle-1")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan error)
	go func() {
		_, err := s.Call(t.Context(), "handle", nil)
		called <- err
	}()
	for len(s.Busy("handle")) == 0 {
		time.Sleep(time.Millisecond) // it is another process
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if failed, is := errors.AsType[*lambdaapi.Error](<-called); !is || failed.Type != "Runtime.ExitError" {
		t.Errorf("the call ended with %v", failed)
	}
	if p.CPU() <= 0 || !s.Idle() {
		t.Errorf("it had %v, idle %v", p.CPU(), s.Idle())
	}
}
