package signingkey

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

func TestSigner(t *testing.T) {
	first, second := pem(t), pem(t)
	type step struct {
		after   time.Duration // since the step before
		secret  string        // what is there now; "" if it cannot be read
		signer  string        // whose key; "" for an error
		fetches int           // so far
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"asked once in five minutes", []step{{0, first, first, 1}, {age - 1, second, first, 1}, {1, second, second, 2}}},
		{"goes on with the key it has", []step{{0, first, first, 1}, {age, "", first, 2}, {age - 1, second, first, 2}, {1, second, second, 3}}},
		{"asks again until there is one", []step{{0, "", "", 1}, {0, first, first, 2}}},
		{"a set", []step{{0, set(t, first, second), first, 1}, {age, set(t, second, first), second, 2}}},
		{"no key", []step{{0, "changeme", "", 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, secret, fetches := time.Unix(1000, 0), "", 0
			s := &Source{issuer: "issuer", now: func() time.Time { return now }, fetch: func(context.Context) (string, error) {
				if fetches++; secret == "" {
					return "", errors.New("out of reach")
				}
				return secret, nil
			}}
			for i, step := range c.steps {
				now, secret = now.Add(step.after), step.secret
				signer, err := s.Signer(t.Context())
				switch {
				case fetches != step.fetches:
					t.Fatalf("step %d: fetched %d times, want %d", i, fetches, step.fetches)
				case step.signer == "" && err == nil:
					t.Fatalf("step %d: no error", i)
				case step.signer == "":
				case err != nil:
					t.Fatalf("step %d: %v", i, err)
				case signer.Key.ID() != id(t, step.signer) || signer.Issuer != "issuer":
					t.Fatalf("step %d: signer %+v", i, signer)
				}
			}
		})
	}
}

// set is both keys, of which the first signs.
func set(t *testing.T, first, second string) string {
	t.Helper()
	keys, err := signature.ParseKeySet([]byte(first + second))
	if err != nil {
		t.Fatal(err)
	}
	text, err := keys.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pem(t *testing.T) string {
	t.Helper()
	key, err := signature.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func id(t *testing.T, text string) string {
	t.Helper()
	key, err := signature.ParseKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return key.ID()
}
