package target

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
)

const tooLong = "its answer is over 1 MB: no " + OutcomeHeader + " was looked for"

// invoke runs a function once and waits for its end. Its own error is retried. Its answer, if it is an object, may say
// in "Dispatch-Outcome" what the header of that name says over HTTP; otherwise it means delivered.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (w *AWS) invoke(ctx context.Context, c dispatch.Call, _ dispatch.ARN, client *signed.Client, body []byte) dispatch.Answer {
	header := http.Header{
		"Content-Type": {typeJSON}, "X-Amz-Invocation-Type": {"RequestResponse"}, "X-Amz-Client-Context": {clientContext(c)},
	}
	path := "/2015-03-31/functions/" + url.QueryEscape(c.Doc.URI) + "/invocations"
	r, failed := post(ctx, c, client, path, header, body)
	if failed != nil {
		return *failed
	}
	a := w.answer(c, r)
	switch {
	case !r.ok():
	case r.header.Get("X-Amz-Function-Error") != "":
		a.Said, a.Reason = dispatch.OutcomeRetry, r.functionError()
	case r.cut:
		a.Note = tooLong
	default:
		sayJSON(&a, r.body)
	}
	return a
}

// clientContext tells a function what receivers over HTTP learn from headers; its runtime hands it over as the client
// context's custom values, which are texts.
func clientContext(c dispatch.Call) string {
	custom := map[string]map[string]string{"custom": {
		"idempotencyKey": c.IdempotencyKey(), "attempt": strconv.Itoa(c.Attempt), "generation": strconv.FormatInt(c.Task.Generation, 10),
	}}
	b, err := json.Marshal(custom)
	if err != nil {
		return "" // a map of texts can be encoded
	}
	return base64.StdEncoding.EncodeToString(b)
}

// functionError says how a function failed, in its own words.
func (r reply) functionError() string {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(r.body, &e) != nil {
		return "the function failed"
	}
	return line(strings.Trim("the function failed: "+strings.Trim(e.ErrorType+": "+e.ErrorMessage, ": "), ": "))
}

// sayJSON puts what a function's answer says into the call's.
func sayJSON(a *dispatch.Answer, body []byte) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return // not an object: it says nothing
	}
	said, there := fields[OutcomeHeader]
	if !there || string(said) == "null" {
		return
	}
	var text string
	if json.Unmarshal(said, &text) != nil {
		a.Note = malformed
		return
	}
	say(a, []string{text})
}
