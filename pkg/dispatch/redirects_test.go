package dispatch_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// How many redirects are followed is stored for each target, in a row that older code, which would follow none, leaves alone.
func TestRedirectsAreStored(t *testing.T) {
	const uri = `"uri":"https://example.com/"`
	p := newProducer(t)
	p.settings(t, `{"routes":{"plain":`+route("a")+`,"moved":{"targets":[{"name":"a",`+uri+`},{"name":"b",`+uri+`,"redirects":2}]}}}`)
	for i, c := range []struct {
		task    string
		version int
		each    []int // of each target
	}{
		{uri, 1, []int{0}},
		{uri + `,"redirects":0`, 1, []int{0}},
		{uri + `,"redirects":5`, 3, []int{5}},
		{`"type":"plain"`, 2, []int{0}},
		{`"type":"moved"`, 3, []int{0, 2}},
		{uri + `,"onFailure":{` + uri + `}`, 1, []int{0}},
		{uri + `,"onFailure":{` + uri + `,"redirects":1}`, 3, []int{0}},
		{`"type":"plain","onSuccess":{` + uri + `,"redirects":1}`, 3, []int{0}},
	} {
		id := fmt.Sprintf("t-%d", i)
		if _, err := p.run(t, `{"id":"`+id+`",`+c.task+`}`); err != nil {
			t.Fatal(err)
		}
		row, d := p.row(t, id)
		if row.Version != c.version {
			t.Errorf("%s: version %d, want %d", c.task, row.Version, c.version)
		}
		for target, want := range c.each {
			if got := d.To(target).Redirects; got != want {
				t.Errorf("%s: target %d follows %d, want %d", c.task, target, got, want)
			}
		}
		if told := d.OnFailure; told != nil && strings.Contains(c.task, "redirects") != (told.Doc.Redirects == 1) {
			t.Errorf("%s: its callback follows %d", c.task, told.Doc.Redirects)
		}
	}
	_, err := p.run(t, `{"type":"plain","redirects":1}`)
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); !ok || invalid.Faults[0].Pointer != "#/redirects" {
		t.Errorf("beside a type: %v", err)
	}
}

func TestResolveURI(t *testing.T) {
	base, err := url.Parse("https://example.com:8443/a/b?c=d")
	if err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]string{
		"/x":                      "https://example.com:8443/x",
		"x?y=%20":                 "https://example.com:8443/a/x?y=%20",
		"?y":                      "https://example.com:8443/a/b?y",
		"../../../x":              "https://example.com:8443/x",
		"/%2e%2e/x%2Fy":           "https://example.com:8443/%2e%2e/x%2Fy",
		"//example.org/x":         "https://example.org/x",
		"http://example.org":      "http://example.org",
		"x y":                     "",
		"x\ty":                    "",
		"/é":                      "",
		`/\example.org`:           "",
		"/x#y":                    "",
		"/%zz":                    "",
		"mailto:a@example.org":    "",
		"data:text/plain,x":       "",
		strings.Repeat("a", 8193): "",
	} {
		if got, err := dispatch.ResolveURI(base, reference); got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: %q, %v, want %q", reference, got, err, want)
		}
	}
}
