// Package http1 makes HTTP/1.1 requests on the goroutine that asks for them, which writes the request, reads the answer, and
// keeps the connection for the next one.
//
// It is in the place of net/http's Transport where one request must be one request: that one sends some again by itself when a
// kept connection dies. This one writes a request once, to one connection. It also has no goroutines for its connections, of
// which net/http's has two for each: calls cost less CPU time, and connections less memory. What is on the wire is written and
// read by net/http all the same: Request.Write and ReadResponse.
//
// There is no HTTP/2, no proxy, no compression, no waiting for 100 Continue.
package http1

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// Transport makes requests to http: and https: URLs. It is safe for concurrent use, and its fields are not changed while it is
// in use.
type Transport struct {
	// Dial connects to a host and port, "tcp" being the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for https:. Nil: the zero configuration.
	TLS *tls.Config
	// Handshake is how long a TLS handshake may take; 0: as long as the request's context.
	Handshake time.Duration
	// Answer is how long an answer's header may take from the request on, so that a dead connection is not waited for; 0: as long
	// as the request's context.
	Answer time.Duration
	// Idle is how many unused connections are kept, for all hosts together; the ones unused for longest go first. 0: none is,
	// and each request says so ("Connection: close").
	Idle int
	// IdleFor is how long an unused connection is kept.
	IdleFor time.Duration
	// MaxHeader is how many bytes an answer may have before its body; 0: 64 KB.
	MaxHeader int64

	idle    idle
	readers sync.Pool // of *bufio.Reader
	writers sync.Pool // of *bufio.Writer
}

const (
	defaultMaxHeader = 64 << 10

	// inline is how many bytes of a body are written before the answer is read. More could fill the buffers of both sides: a
	// receiver that answers without reading to the end would not be heard.
	inline = 16 << 10
)

// RoundTrip implements [http.RoundTripper]. The request's body should be in memory: reading it is not interrupted by the end of
// the context. What is wrong with a connection is an error that wraps net's, io.ErrUnexpectedEOF where it just ended; where
// the request's context has ended it is the context's cause.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := place(r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	ctx := r.Context()
	c, err := t.connection(ctx, to)
	if err != nil {
		closeBody(r)
		return nil, ended(ctx, err)
	}
	return t.exchange(r, c)
}

func (t *Transport) maxHeader() int64 {
	if t.MaxHeader > 0 {
		return t.MaxHeader
	}
	return defaultMaxHeader
}

// CloseIdleConnections makes [http.Client.CloseIdleConnections] work.
func (t *Transport) CloseIdleConnections() { t.idle.clear() }

// ended returns the cause of what an ended context has interrupted.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}
