package signature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const defaultMaxBody = 1 << 20 // bytes

// guard lets requests through to a handler that pass a check.
type guard struct {
	header  string // that a request is signed by
	maxBody int64  // bytes; 0: 1 MB
	// check says what the handler gets as the request's context; it gets none where there is an error.
	check func(r *http.Request, body []byte) (context.Context, error)
}

func (g guard) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, refusal := g.read(w, r)
		var ctx context.Context
		if refusal == nil {
			var err error
			ctx, err = g.check(r, body)
			refusal = refusalOf(err)
		}
		if refusal != nil {
			refusal.write(w, g.header)
			return
		}
		r = r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (g guard) read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if len(r.Header.Values(g.header)) == 0 {
		return nil, refuse(http.StatusUnauthorized, ErrMissing) // before its body is read
	}
	most := g.maxBody
	if most == 0 {
		most = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err == nil {
		return body, nil
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, refuse(http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes", most))
	}
	return nil, refuse(http.StatusBadRequest, errors.New("the body cannot be read"))
}

// refusal is a problem (RFC 9457).
type refusal struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func refuse(status int, why error) *refusal {
	return &refusal{Title: http.StatusText(status), Status: status, Detail: why.Error()}
}

// refusalOf says what an error is for the caller: no more of it than which one it is.
func refusalOf(err error) *refusal {
	if err == nil {
		return nil
	}
	for _, why := range []error{ErrReplayed, ErrStale} {
		if errors.Is(err, why) {
			return refuse(http.StatusConflict, why)
		}
	}
	for _, why := range untrue() {
		if errors.Is(err, why) {
			return refuse(http.StatusUnauthorized, why)
		}
	}
	return refuse(http.StatusServiceUnavailable, errors.New("the call cannot be checked now"))
}

// untrue are the reasons for which a signature is not accepted.
func untrue() []error {
	return []error{
		ErrMissing, ErrOversized, ErrDuplicate, ErrMalformed, ErrType, ErrAlgorithm, ErrUnknownKey, ErrSignature,
		ErrExpired, ErrNotYetValid, ErrIssuer, ErrAudience, ErrMethod, ErrURL, ErrBody,
	}
}

// write answers with the refusal; header is what a request is signed by.
func (p *refusal) write(w http.ResponseWriter, header string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusConflict {
		h.Set("Dispatch-Outcome", `retry;reason="`+p.Detail+`"`)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", header) // required (RFC 9110, section 15.5.2)
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // the client has gone if this fails
}
