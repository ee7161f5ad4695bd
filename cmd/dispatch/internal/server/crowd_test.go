package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/dispatch/cmd/dispatch/internal/server"
)

// TestTooManyRequests: of more requests than may be answered at once one is refused, and taken when there is room again.
func TestTooManyRequests(t *testing.T) {
	r := start(t, func(o *server.Options) { o.Requests = 1 })
	const task = `{"uri":"http://127.0.0.1:1/","id":"late","delay":60}`
	slow, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	// 100 Continue is sent once its body is being read: it has its place then.
	fmt.Fprintf(slow, "POST /tasks HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(task))
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	said := make([]byte, len(goOn))
	if _, err := io.ReadFull(slow, said); err != nil || string(said) != goOn {
		t.Fatalf("%q %v", said, err)
	}
	get := func(path string) (int, string) {
		t.Helper()
		response, err := http.Get(r.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode, response.Header.Get("Retry-After")
	}
	if status, after := get("/tasks"); status != http.StatusServiceUnavailable || after != "1" {
		t.Errorf("beside one: %d, Retry-After %q; want 503 and 1", status, after)
	}
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("health beside one: %d", status)
	}
	io.WriteString(slow, task)
	answer := make([]byte, 12)
	if _, err := io.ReadFull(slow, answer); err != nil || string(answer) != "HTTP/1.1 201" {
		t.Errorf("the one: %q %v", answer, err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(slow, 1)); err != nil {
		t.Error(err)
	}
	for range 1000 { // its place is free a moment after its answer
		if status, _ := get("/tasks/late"); status == http.StatusOK {
			return
		}
	}
	t.Error("there is no room again")
}
