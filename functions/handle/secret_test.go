package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// A header that is a secret says what Secrets Manager holds, under the stack's prefix alone; the table never has it.
func TestHeaderSecrets(t *testing.T) {
	const held = "Bearer canary"
	for _, c := range []struct {
		name, prefix, secret string
		want                 string // what the receiver gets
		failed               string // or why there is no call
	}{
		{"its value", "shop/", held, held, ""},
		{"another prefix by now", "other/", held, "", "header Authorization: secret shop/token: a secret for a header must have a name that begins with other/"},
		{"none by now", "", held, "", "header Authorization: secret shop/token: there are no secrets for headers here"},
		{"no permission", "shop/", "", "", "header Authorization: secret shop/token: may not be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
			defer target.Close()
			var log strings.Builder
			variables := functiontest.Variables{
				"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "HEADER_SECRETS_PREFIX": c.prefix,
				"AWS_ENDPOINT_URL_SECRETS_MANAGER": functiontest.Secrets(t, c.secret), "ALLOWED_NETWORKS": "127.0.0.0/8",
			}
			store := dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]}
			verb := dispatch.Enqueue{
				Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
				AllowHTTP: true, CheckSecret: dispatch.SecretsUnder("shop/"), Now: time.Now, Log: slog.New(slog.DiscardHandler),
			}
			if _, err := verb.Run(t.Context(), []byte(`{"id":"a","uri":"`+target.URL+`","headers":{"Authorization":{"secret":"shop/token"}}}`), nil); err != nil {
				t.Fatal(err)
			}
			f, err := build(variables.Read(t), slog.New(slog.NewJSONHandler(io.Writer(&log), &slog.HandlerOptions{Level: slog.LevelDebug})))
			if err != nil {
				t.Fatal(err)
			}
			if a := functiontest.Invoke(t, f, `{"hints":[{"id":"a"}]}`); a.Payload != "{}" {
				t.Errorf("answer %+v", a)
			}
			row := store.Get(t.Context(), []string{"a"})[0].Task
			failed := ""
			if len(row.Progress) > 0 {
				failed = row.Progress[0].Error
			}
			if got != c.want || failed != c.failed {
				t.Errorf("the receiver got %q, the attempt failed with %q; want %q and %q", got, failed, c.want, c.failed)
			}
			if strings.Contains(log.String()+string(row.Doc)+failed, "canary") || log.Len() == 0 {
				t.Errorf("the value is shown: %s %s", log.String(), row.Doc)
			}
		})
	}
}
