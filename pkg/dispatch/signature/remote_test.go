package signature

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// holder holds a key as KMS does: it signs digests, and answers as DER.
func holder(t *testing.T) (*ecdsa.PrivateKey, Key) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewRemoteKey(&private.PublicKey, func(_ context.Context, digest []byte) ([]byte, error) {
		return ecdsa.SignASN1(rand.Reader, private, digest)
	})
	if err != nil {
		t.Fatal(err)
	}
	return private, key
}

// What the holder of a key signs verifies like what the same key signs here, and has its id.
func TestRemoteKey(t *testing.T) {
	private, key := holder(t)
	own, err := newKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if key.Public() != own.Public() || key.ID() != own.ID() || key.Algorithm() != "ES256" || !key.SignsCalls() {
		t.Errorf("key %+v, want that of %+v", key.Public(), own.Public())
	}
	s := Signer{Key: key, Issuer: "me", Now: fixed}.WithContext(t.Context())
	token, err := s.SignCall(Call{Task: "a", Method: "POST", URL: receiver + "/x"}, []byte("{}"), timeout)
	if err != nil {
		t.Fatal(err)
	}
	v := Verifier{Keys: JWKS{Keys: []JWK{own.Public()}}, Issuer: "me", Origin: receiver, Now: fixed}
	if call, err := v.Verify(Received{token, "POST", "/x", []byte("{}")}); err != nil || call.Task != "a" {
		t.Errorf("%+v, %v", call, err)
	}
	claims, err := s.SignClaims([]byte(`{"sub":"1"}`), time.Time{}, timeout)
	if err != nil || !verifies(t, private, claims) {
		t.Errorf("claims %s: %v", claims, err)
	}

	var set KeySet
	if _, err := set.Add(key, noon); !errors.Is(err, ErrKey) {
		t.Errorf("in a set: %v", err)
	}
	if _, err := key.PEM(); !errors.Is(err, ErrKey) {
		t.Errorf("as PEM: %v", err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRemoteKey(&other.PublicKey, nil); !errors.Is(err, ErrKey) {
		t.Errorf("P-384: %v", err)
	}
}

// verifies reports whether an ES256 token has the key's signature.
func verifies(t *testing.T, key *ecdsa.PrivateKey, token string) bool {
	t.Helper()
	i := strings.LastIndex(token, ".")
	both, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(both) != 64 {
		return false
	}
	return ecdsa.Verify(&key.PublicKey, hash(token[:i]), new(big.Int).SetBytes(both[:32]), new(big.Int).SetBytes(both[32:]))
}

func der(t *testing.T, r, s *big.Int) []byte {
	t.Helper()
	text, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// DER has no leading zeros, and one before a high bit: a token's r and s have 32 bytes in any case.
func TestSignaturesOfDER(t *testing.T) {
	short, long := big.NewInt(0x1234), new(big.Int).Lsh(big.NewInt(0xff), 248)
	pad := strings.Repeat("\x00", 30) + "\x12\x34"
	full := "\xff" + strings.Repeat("\x00", 31)
	for _, c := range []struct {
		name string
		der  []byte
		want string // "" for an error
	}{
		{"both short", der(t, short, short), pad + pad},
		{"r short", der(t, short, long), pad + full},
		{"s short", der(t, long, short), full + pad},
		{"both with a high bit", der(t, long, long), full + full},
		{"r of 33 bytes", der(t, new(big.Int).Lsh(long, 8), short), ""},
		{"no r", der(t, new(big.Int), short), ""},
		{"a negative s", der(t, short, big.NewInt(-5)), ""},
		{"something behind it", append(der(t, short, short), 0), ""},
		{"cut", der(t, short, long)[:20], ""},
		{"r and s as they are in a token", []byte(full + full), ""},
		{"nothing", nil, ""},
	} {
		got, err := rawSignature(c.der)
		if string(got) != c.want || errors.Is(err, ErrRemote) != (c.want == "") {
			t.Errorf("%s: %x, %v; want %x", c.name, got, err, c.want)
		}
	}

	// A real one that is short: about one of 128 is.
	private, _ := holder(t)
	for {
		digest := hash("text")
		text, err := ecdsa.SignASN1(rand.Reader, private, digest)
		if err != nil {
			t.Fatal(err)
		}
		both, err := rawSignature(text)
		if err != nil || !ecdsa.Verify(&private.PublicKey, digest, new(big.Int).SetBytes(both[:32]), new(big.Int).SetBytes(both[32:])) {
			t.Fatalf("%x: %v", text, err)
		}
		if both[0] == 0 || both[32] == 0 {
			return
		}
	}
}

// A set for a key that is held elsewhere may have no key that signs calls, which would then verify as well.
func TestSignerBy(t *testing.T) {
	_, key := holder(t)
	for _, algorithms := range [][]string{nil, {"RS256"}, {"HS256"}, {"ES256"}} {
		made, keys := setOf(t, algorithms...)
		if len(keys) > 0 && !keys[0].SignsCalls() {
			if _, err := made.Sign(keys[0].ID(), true, noon, 0); err != nil {
				t.Fatal(err)
			}
		}
		s, err := ParseKeySet(written(t, made))
		if err != nil {
			t.Fatalf("%v: %v", algorithms, err)
		}
		if _, err := s.Signer("me", JWT); errors.Is(err, ErrKey) != (len(keys) == 0 || !keys[0].SignsCalls()) {
			t.Errorf("%v alone: %v", algorithms, err)
		}
		signer, err := s.SignerBy(key, "me", JWT)
		if err != nil || signer.Key.ID() != key.ID() || (signer.Claims != nil) != (len(keys) > 0 && !keys[0].SignsCalls()) {
			t.Errorf("%v: %+v, %v", algorithms, signer, err)
		}
		if _, err := s.SignerBy(key, "me", Both); !errors.Is(err, ErrKey) {
			t.Errorf("%v without webhook secrets: %v", algorithms, err)
		}
		if len(keys) > 0 && !keys[0].SignsCalls() {
			if _, err := s.SignerBy(keys[0], "me", JWT); !errors.Is(err, ErrKey) {
				t.Errorf("calls by %v: %v", algorithms, err)
			}
		}
	}
	var s KeySet
	if _, err := s.AddWebhook(receiver, noon); err != nil {
		t.Fatal(err)
	}
	if signer, err := s.SignerBy(key, "me", Both); err != nil || len(signer.Webhooks[receiver]) != 1 {
		t.Errorf("%+v, %v", signer, err)
	}
}

func TestRemoteFailures(t *testing.T) {
	_, key := holder(t)
	key.remote = func(ctx context.Context, _ []byte) ([]byte, error) {
		return nil, errors.Join(ctx.Err(), errors.New("throttled"))
	}
	s := Signer{Key: key, Now: fixed}
	if _, err := s.SignCall(Call{URL: receiver}, nil, timeout); !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), "throttled") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.WithContext(ctx).SignClaims([]byte(`{}`), noon, timeout); !errors.Is(err, ErrRemote) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
