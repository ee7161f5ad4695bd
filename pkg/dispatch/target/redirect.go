package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	notFollowed   = "redirect not followed: "
	afterRedirect = "after a redirect: "
	maxDropped    = 2 << 10 // bytes of a redirect's body that are read, so that its connection can be used again
)

// course is what one call has sent so far.
type course struct {
	call    dispatch.Call
	body    []byte
	called  []string // URLs, the task's own first
	foreign bool     // a redirect led to another origin: whatever comes now was chosen by somebody else
}

// next returns the request that an answer redirects to. Where there is none the answer is the call's outcome, and why says
// what kept a redirect from being followed, "" where none was to be. The error is one of signing.
//
// Each hop is judged as enqueue judges a task's URL, and again when it is dialled. To another origin, and from there on,
// nothing goes along that was meant for the first one: no header of the task but Content-Type, and no signature, also not a
// new one, because a receiver could otherwise have calls signed that another one trusts.
func (h HTTP) next(ctx context.Context, c *course, last *http.Request, r *http.Response) (next *http.Request, why string, err error) {
	d := &c.call.Doc
	if d.Redirects == 0 || !isRedirect(r) || d.SuccessCodes.Has(r.StatusCode) || d.StopCodes.Has(r.StatusCode) || d.WaitCodes.Has(r.StatusCode) {
		return nil, "", nil
	}
	switch code := r.StatusCode; {
	case last.Method != http.MethodGet && code != http.StatusTemporaryRedirect && code != http.StatusPermanentRedirect:
		return nil, fmt.Sprintf("%sa %s is sent on after 307 and 308 only", notFollowed, last.Method), nil
	case len(c.called) > d.Redirects:
		return nil, fmt.Sprintf("%sthe task allows %d", notFollowed, d.Redirects), nil
	}
	uri, err := h.location(c, last, r)
	if err != nil {
		return nil, notFollowed + err.Error(), nil
	}
	next, err = newRequest(ctx, last.Method, uri, c.body)
	if err != nil {
		return nil, notFollowed + errURI.Error(), nil
	}
	foreign := c.foreign || signature.Origin(next.URL) != signature.Origin(last.URL)
	switch key := place(next); {
	case slices.Contains(c.called, key):
		return nil, notFollowed + "it goes in a circle", nil
	case foreign && len(d.Claims) > 0:
		return nil, notFollowed + "claims do not go to another origin", nil
	default:
		c.called, c.foreign = append(c.called, key), foreign
	}
	next.Header, err = h.onward(ctx, c, last, next)
	return next, "", err
}

// isRedirect reports whether an answer names where the call should go instead (RFC 9110, section 15.4), and does not say
// itself what it means.
func isRedirect(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return len(r.Header[OutcomeHeader]) == 0
	}
	return false
}

// location returns where a redirect leads. Its errors name no address.
func (h HTTP) location(c *course, last *http.Request, r *http.Response) (string, error) {
	named := r.Header["Location"]
	switch {
	case h.CheckURI == nil:
		return "", errors.New("none is followed here")
	case len(named) != 1 || named[0] == "":
		return "", errors.New("it must have one Location")
	}
	uri, err := dispatch.ResolveURI(last.URL, named[0])
	if err == nil {
		err = h.CheckURI(uri)
	}
	if err == nil && c.call.AllowedHosts.Check(uri) != nil {
		err = errNotAllowed
	}
	if err != nil {
		return "", fmt.Errorf("its Location %w", err)
	}
	return uri, nil
}

// onward returns the header of the request that follows a redirect.
func (h HTTP) onward(ctx context.Context, c *course, last, next *http.Request) (http.Header, error) {
	header := newHeader(len(last.Header) + 1)
	for name, values := range last.Header {
		switch name {
		case "Content-Type", "content-length", idempotencyKey, attemptHeader:
			header.values[name] = values
		default:
			if !c.foreign {
				header.values[name] = values
			}
		}
	}
	if len(c.body) == 0 {
		emptyBody(next, header)
	}
	header.setDefault("User-Agent", userAgent)
	if c.foreign || h.Signer == nil {
		return header.values, nil
	}
	return header.values, h.sign(ctx, header, next, c.call, c.body)
}

// place is a URL as it is sent, however it was written.
func place(r *http.Request) string { return signature.Origin(r.URL) + r.URL.RequestURI() }

// drop ends an answer that is not the outcome.
func drop(r *http.Response) {
	if 0 <= r.ContentLength && r.ContentLength <= maxDropped {
		io.Copy(io.Discard, r.Body) // only for the connection's sake
	}
	r.Body.Close()
}
