package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch/signature"
)

// invalidInput is the type of the error for an event that is no request to a function URL.
const invalidInput = "InvalidInput"

const (
	path = "/.well-known/jwks.json"
	// publicAge is how long others may keep what was answered. The function's own keys are up to five minutes old: together
	// that is the ten minutes that a key is published before it signs.
	publicAge = 5 * time.Minute
	// pause is how long it is not asked again for keys that could not be had: anybody may call the URL.
	pause = 10 * time.Second
)

// function answers GET and HEAD for the public keys, and nothing else. Lambda runs one invocation at a time in a process.
type function struct {
	keys func(context.Context) (signature.JWKS, error)
	now  func() time.Time
	log  *slog.Logger

	failed time.Time // when keys could not be had, the last time
}

// request is what it reads of one.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
type request struct {
	Version        string            `json:"version"`
	RawPath        string            `json:"rawPath"`
	Headers        map[string]string `json:"headers"` // names in lower case, several values joined by commas
	RequestContext struct {
		HTTP struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

// response is one in the same format.
type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body,omitempty"`
}

// Invoke implements lambda.Handler.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var r request
	if err := json.Unmarshal(event, &r); err != nil || r.Version != "2.0" {
		return nil, wiring.Failure(invalidInput, "the event must be a request to the function's URL")
	}
	return json.Marshal(f.answer(ctx, r))
}

func (f *function) answer(ctx context.Context, r request) response {
	switch method := r.RequestContext.HTTP.Method; {
	case r.RawPath != path:
		return refusal(http.StatusNotFound, "there is only "+path)
	case method != http.MethodGet && method != http.MethodHead:
		no := refusal(http.StatusMethodNotAllowed, "there are only GET and HEAD")
		no.Headers["Allow"] = "GET, HEAD"
		return no
	}
	text, err := f.text(ctx)
	if err != nil {
		f.log.LogAttrs(ctx, slog.LevelError, "the keys cannot be published", slog.Any("error", err))
	}
	if text == nil {
		no := refusal(http.StatusServiceUnavailable, "the keys are out of reach")
		no.Headers["Retry-After"] = strconv.Itoa(int(pause.Seconds()))
		return no
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	yes := response{StatusCode: http.StatusOK, Body: string(text), Headers: map[string]string{
		"Content-Type":           "application/jwk-set+json", // RFC 7517, section 8.5.2
		"Cache-Control":          "public, max-age=" + strconv.Itoa(int(publicAge.Seconds())),
		"ETag":                   tag,
		"X-Content-Type-Options": "nosniff",
	}}
	switch {
	case has(r.Headers["if-none-match"], tag):
		delete(yes.Headers, "Content-Type")
		yes.StatusCode, yes.Body = http.StatusNotModified, ""
	case r.RequestContext.HTTP.Method == http.MethodHead:
		yes.Body = ""
	}
	return yes
}

// text returns the set as it is published, nil if it cannot be had now.
func (f *function) text(ctx context.Context) ([]byte, error) {
	now := f.now()
	if now.Sub(f.failed) < pause {
		return nil, nil
	}
	keys, err := f.keys(ctx)
	if err != nil {
		f.failed = now
		return nil, err
	}
	return json.Marshal(keys)
}

// has reports whether an If-None-Match names the tag (RFC 9110, section 13.1.2: tags are compared weakly).
func has(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

func refusal(status int, why string) response {
	return response{StatusCode: status, Body: why + "\n", Headers: map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	}}
}
