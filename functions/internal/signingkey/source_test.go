package signingkey

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
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

// A key in KMS signs instead of the set's; what the set has besides stays, and all is published.
func TestKMS(t *testing.T) {
	const first, second = "arn:aws:kms:eu-west-1:123456789012:key/1", "arn:aws:kms:eu-west-1:123456789012:key/2"
	own := pem(t)
	rsa, err := signature.NewKeyFor("RS256")
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, err := rsa.PEM()
	if err != nil {
		t.Fatal(err)
	}
	service := functiontest.NewKMS(t, first, second)
	kid := func(arn string) string {
		key, err := signature.NewRemoteKey(&service.Private(arn).PublicKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		return key.ID()
	}
	for _, c := range []struct {
		name      string
		variables functiontest.Variables
		calls     string   // the id of the key that signs calls; "" for none
		claims    string   // of the one that signs claims, if another
		published []string // ids
		fails     string
	}{
		{name: "a key in KMS alone", variables: functiontest.Variables{"SIGNING_KMS_KEY": first}, calls: kid(first), published: []string{kid(first)}},
		{name: "instead of a set's", variables: functiontest.Variables{"SIGNING_KMS_KEY": first, "SIGNING_KEY": own}, calls: kid(first), published: []string{id(t, own), kid(first)}},
		{name: "beside a key of claims", variables: functiontest.Variables{"SIGNING_KMS_KEY": first, "SIGNING_KEY": own + string(rsaPEM)}, calls: kid(first), claims: rsa.ID(),
			published: []string{id(t, own), rsa.ID(), kid(first)}},
		{name: "beside a key of claims alone", variables: functiontest.Variables{"SIGNING_KMS_KEY": first, "SIGNING_KEY": string(rsaPEM)}, calls: kid(first), claims: rsa.ID(),
			published: []string{rsa.ID(), kid(first)}},
		{name: "one that is to sign soon", variables: functiontest.Variables{"SIGNING_KEY": own, "PUBLISHED_KMS_KEYS": first}, calls: id(t, own), published: []string{id(t, own), kid(first)}},
		{name: "one after another", variables: functiontest.Variables{"SIGNING_KMS_KEY": second, "PUBLISHED_KMS_KEYS": first + "," + second}, calls: kid(second),
			published: []string{kid(second), kid(first)}},
		{name: "none that signs", variables: functiontest.Variables{"PUBLISHED_KMS_KEYS": first}, published: []string{kid(first)}},
		{name: "none", variables: functiontest.Variables{}, published: []string{}},
		{name: "one that is not there", variables: functiontest.Variables{"SIGNING_KMS_KEY": first + "0"}, fails: "NotFoundException"},
		{name: "webhooks without a set", variables: functiontest.Variables{"SIGNING_KMS_KEY": first, "SIGNING_MODE": "both"}, fails: "webhook secrets"},
	} {
		c.variables["TABLE"], c.variables["AWS_ENDPOINT_URL_KMS"] = "tasks", service.Serve(t)
		s := New(c.variables.Read(t), 1)
		signer, err := s.Signer(t.Context())
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		public, failed := s.Public(t.Context())
		if err != nil || failed != nil {
			t.Errorf("%s: %v, %v", c.name, err, failed)
			continue
		}
		ids, calls, claims := []string{}, "", ""
		for _, k := range public.Keys {
			ids = append(ids, k.KeyID)
		}
		if signer != nil {
			calls = signer.Key.ID()
		}
		if signer != nil && signer.Claims != nil {
			claims = signer.Claims.ID()
		}
		if calls != c.calls || claims != c.claims || !slices.Equal(ids, c.published) {
			t.Errorf("%s: calls by %s, claims by %s, published %q; want %s, %s, %q", c.name, calls, claims, ids, c.calls, c.claims, c.published)
		}
	}
}
