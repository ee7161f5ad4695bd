package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch/signature"
	"github.com/aws/aws-sdk-go-v2/aws"
)

const arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func newKey(t *testing.T, k *functiontest.KMS) *Key {
	t.Helper()
	return New(functiontest.Variables{"TABLE": "tasks", "AWS_ENDPOINT_URL_KMS": k.Serve(t)}.Read(t), arn, 1)
}

// What it signs verifies with package signature, and the public half is asked for once.
func TestKey(t *testing.T) {
	service := functiontest.NewKMS(t, arn)
	k := newKey(t, service)
	for i := range 3 {
		key, err := k.Key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		token, err := signature.Signer{Key: key, Issuer: "me"}.WithContext(t.Context()).SignCall(signature.Call{Task: "a", Method: "POST", URL: "https://example.com/"}, nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		v := signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{key.Public()}}, Issuer: "me", Origin: "https://example.com"}
		if _, err := v.Verify(signature.Received{Signature: token, Method: "POST", URI: "/"}); err != nil {
			t.Error(err)
		}
		if got, want := [2]int{service.Asked("GetPublicKey"), service.Asked("Sign")}, [2]int{1, i + 1}; got != want {
			t.Errorf("asked for the key and to sign %d times, want %d", got, want)
		}
	}
}

func TestSignFailures(t *testing.T) {
	digest := sha256.Sum256(nil)
	for _, c := range []struct {
		name   string
		refuse []string
		want   error // nil: signed
		asked  int
	}{
		{"throttled for a moment", []string{"ThrottlingException"}, nil, 2},
		{"throttled", []string{"ThrottlingException", "ThrottlingException", "ThrottlingException"}, errThrottled, 3},
		{"a fault for a moment", []string{"500", "500"}, nil, 3},
		{"a fault", []string{"500", "500", "500"}, errUnreached, 3},
		{"denied", []string{"AccessDeniedException"}, errForbidden, 1},
		{"disabled", []string{"DisabledException"}, errRefused, 1},
		{"no JSON", []string{""}, errAnswer, 1},
	} {
		service := functiontest.NewKMS(t, arn)
		service.Refuse("Sign", c.refuse...)
		der, err := newKey(t, service).sign(t.Context(), digest[:])
		switch {
		case c.want != err || service.Asked("Sign") != c.asked:
			t.Errorf("%s: %v, asked %d times; want %v, %d", c.name, err, service.Asked("Sign"), c.want, c.asked)
		case err == nil && !ecdsa.VerifyASN1(&service.Private(arn).PublicKey, digest[:], der):
			t.Errorf("%s: not signed", c.name)
		}
	}
	k := New(functiontest.Variables{"TABLE": "tasks", "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1"}.Read(t), arn, 1)
	if _, err := k.sign(t.Context(), digest[:]); err != errUnreached {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestPublicHalf(t *testing.T) {
	service := functiontest.NewKMS(t, arn)
	k := newKey(t, service)
	service.Refuse("GetPublicKey", "AccessDeniedException")
	if _, err := k.Key(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("denied: %v", err)
	}
	service.Usage = "KEY_AGREEMENT"
	if _, err := k.Key(t.Context()); !errors.Is(err, signature.ErrKey) || !strings.Contains(err.Error(), "KEY_AGREEMENT") {
		t.Errorf("for key agreement: %v", err)
	}
	service.Usage = "SIGN_VERIFY"
	if _, err := k.Key(t.Context()); err != nil { // it is asked again until there is one
		t.Error(err)
	}
}

// hanging never answers.
type hanging struct{}

func (hanging) Do(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		})
		k := &Key{client: signed.New(aws.Config{Region: "eu-west-1", HTTPClient: hanging{}, Credentials: credentials}, "kms"), arn: arn}
		begin := time.Now()
		if _, err := k.sign(t.Context(), nil); err != errUnreached || time.Since(begin) != askTime {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
