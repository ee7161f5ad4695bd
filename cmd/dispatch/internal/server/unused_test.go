package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/server"
)

// TestUnusedConnections: one on which nothing was ever asked does not keep the server from stopping.
func TestUnusedConnections(t *testing.T) {
	r := start(t, func(o *server.Options) { o.Grace = time.Second })
	c, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	response, err := http.Get(r.URL() + "/healthz") // accepted after it
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
