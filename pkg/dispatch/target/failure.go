package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/signature"
)

// unanswered is the answer to a call that got none. What lacked a key, a signature, a secret or credentials was not sent.
func unanswered(ctx context.Context, timeout time.Duration, err error) dispatch.Answer {
	unsent := slices.ContainsFunc([]error{errNoKey, errNotCalled, errNotAllowed, signature.ErrRemote, signed.ErrCredentials}, func(one error) bool { return errors.Is(err, one) })
	_, noSecret := errors.AsType[*secretError](err)
	return dispatch.Answer{Error: failure(ctx, timeout, err), Unsent: unsent || noSecret}
}

// failure says in one short line why no answer came. Errors of net and net/http name the whole URL and the
// addresses inside somebody's network; this text goes to whoever may read the task.
func failure(ctx context.Context, timeout time.Duration, err error) string {
	if ctx.Err() != nil {
		return ended(ctx, timeout)
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{egress.ErrPlain, "address not allowed over http:, use https:"},
		{egress.ErrPort, "port not allowed"},
		{egress.ErrForbidden, "address not allowed"},
		{signed.ErrCredentials, signed.ErrCredentials.Error()},
		{syscall.ECONNREFUSED, "connection refused"},
		{syscall.EHOSTUNREACH, "host unreachable"},
		{syscall.ENETUNREACH, "network unreachable"},
		{syscall.ECONNRESET, "connection reset before an answer came"},
		{syscall.EPIPE, "connection closed before an answer came"},
		{io.EOF, "connection closed before an answer came"},
		{io.ErrUnexpectedEOF, "connection closed before an answer came"},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	if text := lookupFailure(err); text != "" {
		return text
	}
	if text := tlsFailure(err); text != "" {
		return text
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return "timeout while connecting"
	}
	return line(inner(err).Error())
}

// brokenOff says why an answer's body could not be read.
func brokenOff(ctx context.Context, timeout time.Duration, err error) string {
	if ctx.Err() != nil {
		return ended(ctx, timeout)
	}
	return "answer broken off"
}

func ended(ctx context.Context, timeout time.Duration) string {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Sprintf("timeout after %s", timeout)
	}
	return "call cut off by the sender"
}

func lookupFailure(err error) string {
	d, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return ""
	case d.IsNotFound:
		return "name not found"
	default:
		return "name lookup failed"
	}
}

func tlsFailure(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "TLS: certificate of an unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "TLS: certificate for another name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "TLS: certificate expired or not yet valid"
		}
		return "TLS: invalid certificate"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS: the server does not speak it"
	}
	return ""
}

// inner takes off what names URLs and addresses.
func inner(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if o, ok := errors.AsType[*net.OpError](err); ok {
		err = o.Err
	}
	return err
}

// line makes one short line of a text.
func line(text string) string {
	return dispatch.Shorten(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}
