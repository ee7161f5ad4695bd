package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

// The headers that are the service's own: a task's header of the same name gives way.
const (
	idempotencyKey = "Idempotency-Key"
	attemptHeader  = "Dispatch-Attempt"
	userAgent      = "dispatch" // unless the task has its own
)

// request makes the request of a call, and returns its body too.
//
// net/http sends a request again by itself when a reused connection dies, if the method is GET or there is
// an Idempotency-Key, unless it has a body that cannot be had again. So every request has one: GetBody stays
// nil, and an empty body is a reader too.
func (h HTTP) request(ctx context.Context, c dispatch.Call) (_ *http.Request, body []byte, _ error) {
	body, contentType, err := h.body(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	r, err := newRequest(ctx, c.Doc.Method, c.Doc.URI, body)
	if err != nil {
		return nil, nil, err
	}
	header := newHeader(len(c.Doc.Headers) + 6)
	for name, value := range c.Doc.Headers {
		text, err := h.value(ctx, name, value)
		if err != nil {
			return nil, nil, err
		}
		if name = http.CanonicalHeaderKey(name); !strings.HasPrefix(name, "Dispatch-") {
			header.set(name, text)
		}
	}
	if len(body) == 0 {
		emptyBody(r, header)
	} else {
		header.setDefault("Content-Type", contentType)
	}
	header.setDefault("User-Agent", userAgent)
	header.set(idempotencyKey, c.IdempotencyKey())
	header.set(attemptHeader, strconv.Itoa(c.Attempt))
	if h.Signer != nil {
		if err := h.sign(ctx, header, r, c, body); err != nil {
			return nil, nil, err
		}
	}
	r.Header = header.values
	return r, body, nil
}

// newRequest makes a request without a header.
func newRequest(ctx context.Context, method, uri string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, uri, nil)
	if err != nil {
		return nil, errURI // err would show the URI, which may hold a secret
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	return r, nil
}

var errNoSecrets = errors.New("there are no secrets for headers here")

// secretError says why a header has no value: without it nothing is sent.
type secretError struct {
	header, name string
	err          error
}

// Error tells names, never a value.
func (e *secretError) Error() string {
	return fmt.Sprintf("header %s: secret %s: %v", e.header, e.name, e.err)
}

// value returns what a header says. The error is a *secretError.
func (h HTTP) value(ctx context.Context, header string, v dispatch.HeaderValue) (string, error) {
	if v.Secret == "" {
		return v.Text, nil
	}
	text, err := "", errNoSecrets
	if h.Secret != nil {
		text, err = h.Secret(ctx, v.Secret)
	}
	if err == nil {
		err = dispatch.CheckHeaderValue(text)
	}
	if err != nil {
		return "", &secretError{header, v.Secret, err}
	}
	return text, nil
}

// sender returns the signer of a call: by its target's sender, where that has one.
func sender(ctx context.Context, signer *signature.Signer, c dispatch.Call) signature.Signer {
	s := signer.WithContext(ctx)
	if c.Doc.Sender != "" {
		s.Issuer = c.Doc.Sender
	}
	return s
}

// emptyBody keeps net/http from sending an empty reader in chunks (POST), or looking into it from a
// goroutine of its own (GET): "identity" is its word for a body that ends where it ends. A method that
// expects a body then says itself that there is none (RFC 9110, section 8.6); net/http would drop the
// header, were its name in canonical form.
func emptyBody(r *http.Request, header header) {
	r.TransferEncoding = []string{"identity"}
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		header.set("content-length", "0")
	}
}

// header is a request's header, whose values lie in one array.
type header struct {
	values http.Header
	array  *[]string
}

func newHeader(n int) header {
	array := make([]string, 0, n)
	return header{make(http.Header, n), &array}
}

func (h header) set(name, value string) {
	*h.array = append(*h.array, value)
	n := len(*h.array)
	h.values[name] = (*h.array)[n-1 : n : n]
}

func (h header) setDefault(name, value string) {
	if _, given := h.values[name]; !given {
		h.set(name, value)
	}
}
