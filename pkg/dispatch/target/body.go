package target

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	typeJSON = "application/json"
	typeText = "text/plain; charset=utf-8"
	typeJWT  = "application/jwt" // RFC 7519, section 10.3.1
)

var (
	errURI   = errors.New("invalid URI")
	errNoKey = errors.New("no key to sign the claims with")
	errBody  = errors.New("body is not valid JSON")
)

// body returns what a call sends and its media type; nothing for a GET, and for a DELETE without body and
// claims.
//
//	envelope  {"request": <body>, "__task": {…}}, with null for no body and a string for a JWT of claims
//	raw       the body; of a JSON string its text, of claims the JWT
func (h HTTP) body(ctx context.Context, c dispatch.Call) (content []byte, contentType string, err error) {
	d := &c.Doc
	if d.Method == http.MethodGet || d.Method == http.MethodDelete && len(d.Body) == 0 && len(d.Claims) == 0 {
		return nil, "", nil
	}
	token, err := token(ctx, c, h.Signer)
	if err != nil {
		return nil, "", err
	}
	if d.Format != dispatch.Raw {
		return envelope(c, token), typeJSON, nil
	}
	switch {
	case token != "":
		return []byte(token), typeJWT, nil
	case len(d.Body) > 0 && d.Body[0] == '"':
		var text string
		if err := json.Unmarshal(d.Body, &text); err != nil {
			return nil, "", errBody
		}
		return []byte(text), typeText, nil
	default:
		return d.Body, typeJSON, nil
	}
}

// token returns the JWT of a call's claims, "" if it has none.
func token(ctx context.Context, c dispatch.Call, signer *signature.Signer) (string, error) {
	switch {
	case len(c.Doc.Claims) == 0:
		return "", nil
	case signer == nil:
		return "", errNoKey
	default:
		return sender(ctx, signer, c).SignClaims(c.Doc.Claims, c.Task.ExpireAt, c.Timeout)
	}
}

// envelope writes the body around the request. The body is JSON already; ids, types and tokens hold nothing that
// JSON would escape.
func envelope(c dispatch.Call, token string) []byte {
	const around = 256 // more than everything but the names and the request takes
	b := make([]byte, 0, around+len(c.Doc.Body)+len(token)+len(c.Task.ID)+len(c.Doc.Type))
	b = append(b, `{"request":`...)
	switch {
	case token != "":
		b = append(b, '"')
		b = append(b, token...)
		b = append(b, '"')
	case len(c.Doc.Body) > 0:
		b = append(b, c.Doc.Body...)
	default:
		b = append(b, "null"...)
	}
	b = append(b, `,"__task":{"id":"`...)
	b = append(b, c.Task.ID...)
	if c.Doc.Type != "" {
		b = append(b, `","type":"`...)
		b = append(b, c.Doc.Type...)
	}
	b = append(b, `","createdAt":"`...)
	b = c.Doc.CreatedAt.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","attempt":{"number":`...)
	b = strconv.AppendInt(b, int64(c.Attempt), 10)
	b = append(b, `,"limit":`...)
	b = strconv.AppendInt(b, int64(c.Doc.Attempts.Limit), 10)
	b = append(b, `,"interval":`...)
	interval := c.Doc.Attempts.Interval
	if interval == 0 { // they are listed
		interval = int(c.Doc.Attempts.Wait(c.Attempt).Seconds())
	}
	b = strconv.AppendInt(b, int64(interval), 10)
	return append(b, "}}}"...)
}
