package headersecret

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
)

func TestValue(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		text  string        // what is there now
		fails error         // or why it cannot be had
		want  string        // "" for an error
		asked int           // so far
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"asked once in five minutes", []step{{0, "a", nil, "a", 1}, {age - 1, "b", nil, "a", 1}, {1, "b", nil, "b", 2}}},
		{"goes on with what it has", []step{{0, "a", nil, "a", 1}, {age, "", errUnread, "a", 2}, {age - 1, "b", nil, "a", 2}, {1, "b", nil, "b", 3}}},
		{"until it is gone", []step{{0, "a", nil, "a", 1}, {age, "", errMissing, "", 2}, {0, "", errUnread, "", 3}}},
		{"until it may not be read", []step{{0, "a", nil, "a", 1}, {age, "", errForbidden, "", 2}, {0, "b", nil, "b", 3}}},
		{"asks again until there is one", []step{{0, "", errUnread, "", 1}, {0, "a", nil, "a", 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, asked, at := time.Unix(1000, 0), 0, step{}
			s := &Source{check: dispatch.SecretsUnder("shop/"), now: func() time.Time { return now }, known: map[string]value{}, fetch: func(context.Context, string) (string, error) {
				asked++
				return at.text, at.fails
			}}
			for i, one := range c.steps {
				now, at = now.Add(one.after), one
				got, err := s.Value(t.Context(), "shop/token")
				if got != one.want || (err == nil) != (one.want != "") || asked != one.asked {
					t.Errorf("step %d: %q, %v after asking %d times, want %q after %d", i, got, err, asked, one.want, one.asked)
				}
			}
			if _, err := s.Value(t.Context(), "other/token"); err == nil || asked != c.steps[len(c.steps)-1].asked {
				t.Errorf("outside its prefix: %v, asked %d times", err, asked)
			}
		})
	}
}

func TestSecretsManager(t *testing.T) {
	at := func(url, prefix string) *Source {
		return New(functiontest.Variables{"TABLE": "t", "HEADER_SECRETS_PREFIX": prefix, "AWS_ENDPOINT_URL_SECRETS_MANAGER": url}.Read(t))
	}
	if at("http://127.0.0.1:1", "") != nil {
		t.Error("a source without a prefix")
	}
	if got, err := at(functiontest.Secrets(t, "Bearer x"), "shop/").Value(t.Context(), "shop/token"); got != "Bearer x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := at(functiontest.Secrets(t, ""), "shop/").Value(t.Context(), "shop/token"); !errors.Is(err, errForbidden) {
		t.Errorf("not readable: %v", err)
	}
	if _, err := at("http://127.0.0.1:1", "shop/").Value(t.Context(), "shop/token"); !errors.Is(err, errUnread) || strings.Contains(err.Error(), "127") {
		t.Errorf("out of reach: %v", err)
	}
}
