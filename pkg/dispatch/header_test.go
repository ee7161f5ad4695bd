package dispatch_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// hostileHeaders are headers that no task may have, as JSON, and what they are refused with.
var hostileHeaders = []struct{ headers, want string }{
	{`{"Host":"internal"}`, "what the uri says"},
	{`{"hOST":"internal"}`, "what the uri says"},
	{`{"Content-Length":"0"}`, "what the body makes it"},
	{`{"content-length":"5"}`, "what the body makes it"},
	{`{"Transfer-Encoding":"chunked"}`, "what the body makes it"},
	{`{"TRANSFER-ENCODING":"identity"}`, "what the body makes it"},
	{`{"Connection":"close"}`, "belongs to the connection"},
	{`{"connection":"X-Forwarded-For"}`, "belongs to the connection"},
	{`{"Keep-Alive":"timeout=5"}`, "belongs to the connection"},
	{`{"Upgrade":"websocket"}`, "belongs to the connection"},
	{`{"upgrade":"h2c"}`, "belongs to the connection"},
	{`{"TE":"trailers"}`, "belongs to the connection"},
	{`{"Trailer":"X"}`, "belongs to the connection"},
	{`{"Proxy-Authorization":"Basic x"}`, "belongs to the connection"},
	{`{"Proxy-Connection":"keep-alive"}`, "belongs to the connection"},
	{`{"proxy-anything":"x"}`, "belongs to the connection"},
	{`{"Expect":"100-continue"}`, "no interim answer"},
	{`{"Idempotency-Key":"mine"}`, "dispatch's own"},
	{`{"idempotency-key":"mine"}`, "dispatch's own"},
	{`{"Dispatch-Signature":"forged"}`, "dispatch's own"},
	{`{"dispatch-attempt":"1"}`, "dispatch's own"},
	{`{"Dispatch-":"x"}`, "dispatch's own"},
	{`{"webhook-id":"mine"}`, "dispatch's own"},
	{`{"Webhook-Timestamp":"1"}`, "dispatch's own"},
	{`{"WEBHOOK-SIGNATURE":"v1,AAAA"}`, "dispatch's own"},
	{`{"Host":{"secret":"shop/a"}}`, "what the uri says"},

	{`{"":"x"}`, "is not a header name"},
	{`{" ":"x"}`, "is not a header name"},
	{`{"X Y":"x"}`, "is not a header name"},
	{`{"X:":"x"}`, "is not a header name"},
	{`{"X\r\nY":"x"}`, "is not a header name"},
	{`{"X\n":"x"}`, "is not a header name"},
	{`{"X\u0000":"x"}`, "is not a header name"},
	{`{"X\t":"x"}`, "is not a header name"},
	{`{"X(":"x"}`, "is not a header name"},
	{`{"X/Y":"x"}`, "is not a header name"},
	{`{"X\"":"x"}`, "is not a header name"},
	{`{"X@":"x"}`, "is not a header name"},
	{`{"Ünder":"x"}`, "is not a header name"},
	{`{"Host\u200b":"x"}`, "is not a header name"},
	{`{"Host ":"x"}`, "is not a header name"},
	{`{" Host":"x"}`, "is not a header name"},
	{`{"{X}":"x"}`, "is not a header name"},
	{`{"\u212aeep-Alive":"x"}`, "is not a header name"}, // a Kelvin sign, which folds to k

	{`{"X":"a\r\nHost: internal"}`, "cannot carry"},
	{`{"X":"a\nb"}`, "cannot carry"},
	{`{"X":"a\rb"}`, "cannot carry"},
	{`{"X":"a\n b"}`, "cannot carry"}, // an obsolete line folding
	{`{"X":"a\u0000b"}`, "cannot carry"},
	{`{"X":"a\u0001"}`, "cannot carry"},
	{`{"X":"a\u007f"}`, "cannot carry"},
	{`{"X":"\u001b[31m"}`, "cannot carry"},
	{`{"X":" a"}`, "cannot carry"},
	{`{"X":"a "}`, "cannot carry"},
	{`{"X":"\ta"}`, "cannot carry"},

	{`{"X":"a","x":"b"}`, "is the same header as X"},
	{`{"Authorization":"a","AUTHORIZATION":"a"}`, "is the same header as Authorization"},
	{`{"X":"a","x":{"secret":"shop/a"}}`, "is the same header as X"},
	{`{"X":"a","X":"b"}`, "given more than once"},
	{`{"X":"a","\u0058":"b"}`, "given more than once"},

	{`{"X":1}`, "must be a string"},
	{`{"X":null}`, "must be a string"},
	{`{"X":true}`, "must be a string"},
	{`{"X":["a","b"]}`, "must be a string"},
	{`[]`, "must be an object"},
	{`"X: a"`, "must be an object"},
	{`{"X":{}}`, "is required"},
	{`{"X":{"secret":null}}`, "is required"},
	{`{"X":{"secret":1}}`, "must be a string"},
	{`{"X":{"secret":["shop/a"]}}`, "must be a string"},
	{`{"X":{"secret":"shop/a","field":"b"}}`, "unknown field"},
	{`{"X":{"secret":"shop/a","secret":"other"}}`, "given more than once"},
	{`{"X":{"secret":""}}`, "a secret's name is"},
	{`{"X":{"secret":"shop/a b"}}`, "a secret's name is"},
	{`{"X":{"secret":"shop/a\u0000"}}`, "a secret's name is"},
	{`{"X":{"secret":"shop/a\\b"}}`, "a secret's name is"},
	{`{"X":{"secret":"shop/ä"}}`, "a secret's name is"},
	{`{"X":{"secret":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/a"}}`, "a secret's name is"},
	{`{"X":{"secret":"` + strings.Repeat("a", 257) + `"}}`, "a secret's name is"},
	{`{"X":{"secret":"other/a"}}`, "begins with shop/"},
	{`{"X":{"secret":"SHOP/a"}}`, "begins with shop/"},
	{`{"X":{"secret":"/shop/a"}}`, "begins with shop/"},
}

// Each is refused with its own reason; what is shown tells no value.
func TestHostileHeaders(t *testing.T) {
	p := newProducer(t)
	p.CheckSecret = dispatch.SecretsUnder("shop/")
	for _, h := range hostileHeaders {
		_, err := p.run(t, `{"id":"a","uri":"https://example.com/","headers":`+h.headers+`}`)
		invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
		if !ok {
			t.Errorf("%s: %v, want *InvalidInput", h.headers, err)
			continue
		}
		if len(invalid.Faults) != 1 || !strings.Contains(invalid.Faults[0].Detail, h.want) || !strings.HasPrefix(invalid.Faults[0].Pointer, "#/headers") {
			t.Errorf("%s: %+v, want %s", h.headers, invalid.Faults, h.want)
		}
	}
	t.Logf("hostile: %d sets of headers tried, all refused by enqueue", len(hostileHeaders))
}

func TestHeaderValues(t *testing.T) {
	p := newProducer(t)
	p.CheckSecret = dispatch.SecretsUnder("shop/")
	if _, err := p.run(t, `{"id":"a","uri":"https://example.com/","headers":{"Authorization":{"secret":"shop/token"},"Webhook-Event":"paid","X":"<é&>","Y":""}}`); err != nil {
		t.Fatal(err)
	}
	row, d := p.row(t, "a")
	if d.Headers["Authorization"] != (dispatch.HeaderValue{Secret: "shop/token"}) || d.Headers["X"] != (dispatch.HeaderValue{Text: "<é&>"}) || d.Headers["Y"] != (dispatch.HeaderValue{}) {
		t.Errorf("read back %+v", d.Headers)
	}
	if want := `"headers":{"Authorization":{"secret":"shop/token"},"Webhook-Event":"paid","X":"<é&>","Y":""}`; !strings.Contains(string(row.Doc), want) {
		t.Errorf("stored %s, want %s", row.Doc, want)
	}
	var v dispatch.HeaderValue
	for _, text := range []string{`1`, `[]`, `true`} {
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s was read as %+v", text, v)
		}
	}
	if dispatch.SecretsUnder("") != nil {
		t.Error("without a prefix there are secrets")
	}
}

// Older code, which takes a header's value to be a text, would end a task with a secret: it leaves such a row alone.
func TestSecretsAreOfANewerFormat(t *testing.T) {
	const uri, secret = `"uri":"https://example.com/"`, `"headers":{"X":{"secret":"shop/a"}}`
	p := newProducer(t)
	p.CheckSecret = dispatch.SecretsUnder("shop/")
	p.settings(t, `{"routes":{"paid":{"targets":[{"name":"a",`+uri+`},{"name":"b",`+uri+`,`+secret+`}]}}}`)
	for task, want := range map[string]int{
		uri + `,"headers":{"X":"a text"}`:                 1,
		uri + `,` + secret:                                3,
		`"type":"paid"`:                                   3,
		uri + `,"onFailure":{` + uri + `,` + secret + `}`: 3,
	} {
		if _, err := p.run(t, `{"id":"a","onConflict":"replace",`+task+`}`); err != nil {
			t.Fatal(err)
		}
		if row, _ := p.row(t, "a"); row.Version != want {
			t.Errorf("%s: version %d, want %d", task, row.Version, want)
		}
	}
}
