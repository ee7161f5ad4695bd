package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// errHeader is the error of an answer whose header does not end.
var errHeader = errors.New("the answer's header is too long")

// address is where a connection goes.
type address struct {
	secure     bool
	host, port string
}

// conn is a connection. While it is unused nobody reads from it.
type conn struct {
	net.Conn
	to    address
	raw   syscall.RawConn // nil: it cannot be asked whether it is alive
	left  int64           // how many bytes may still be read
	quiet bool            // what ask found
	ask   func(fd uintptr) bool
}

// Read implements [io.Reader] for the answer.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeader
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// interrupt makes all that waits for the connection fail at once.
func (c *conn) interrupt() { c.SetDeadline(time.Unix(1, 0)) }

// alive reports whether an unused connection can be used again. One on which there is something to read was ended, or says what
// nobody has asked for.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	return c.raw.Read(c.ask) == nil && c.quiet
}

// place returns where a request goes, and refuses what is not for the wire. Names are in ASCII; net/http itself leaves out
// what header names must not be.
func place(r *http.Request) (address, error) {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return address{}, fmt.Errorf("unsupported protocol scheme %q", r.URL.Scheme)
	}
	for name, values := range r.Header {
		for _, v := range values {
			if !isField(v) {
				return address{}, fmt.Errorf("header %s has a control character", name)
			}
		}
	}
	to := address{r.URL.Scheme == "https", r.URL.Hostname(), r.URL.Port()}
	if to.host == "" {
		return address{}, errors.New("no host in the URL")
	}
	if to.port == "" {
		to.port = "80"
		if to.secure {
			to.port = "443"
		}
	}
	return to, nil
}

// isField reports whether a header may say this (RFC 9110, section 5.5).
func isField(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// connection returns an unused connection, else a new one.
func (t *Transport) connection(ctx context.Context, to address) (*conn, error) {
	for {
		c := t.idle.take(to)
		if c == nil {
			return t.connect(ctx, to)
		}
		if c.alive() {
			return c, nil
		}
		c.Close()
	}
}

func (t *Transport) connect(ctx context.Context, to address) (*conn, error) {
	plain, err := t.Dial(ctx, "tcp", net.JoinHostPort(to.host, to.port))
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: plain, to: to}
	c.ask = func(fd uintptr) bool {
		c.quiet = quiet(fd)
		return true // do not wait
	}
	if s, ok := plain.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	if !to.secure {
		return c, nil
	}
	if c.Conn, err = t.encrypt(ctx, plain, to.host); err != nil {
		plain.Close()
		return nil, err
	}
	return c, nil
}

func (t *Transport) encrypt(ctx context.Context, plain net.Conn, host string) (net.Conn, error) {
	config := &tls.Config{}
	if t.TLS != nil {
		config = t.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"} // RFC 7301, section 6
	if t.Handshake > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.Handshake)
		defer cancel()
	}
	secure := tls.Client(plain, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure, nil
}
