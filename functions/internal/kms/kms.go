// Package kms signs with keys that AWS KMS holds.
package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	askTime      = 5 * time.Second // for all tries of one request
	maxTries     = 3
	firstBackoff = 50 * time.Millisecond
)

// Why a call is not signed. Whoever may read the task reads these, so they tell nothing of the account.
var (
	errThrottled = errors.New("KMS throttles")
	errForbidden = errors.New("KMS does not allow it")
	errRefused   = errors.New("KMS refuses")
	errUnreached = errors.New("KMS is out of reach")
	errAnswer    = errors.New("what KMS answered cannot be read")
)

// Key is an asymmetric key, ECC_NIST_P256 for SIGN_VERIFY. KMS signs Ed25519 only for messages of up to 4096 bytes, which
// claims may exceed, so that there is no EdDSA. It is safe for concurrent use.
type Key struct {
	client *signed.Client
	arn    string

	mu  sync.Mutex
	key signature.Key // once its public half is known, which never changes
}

// New returns the key with this ARN, in the region that the ARN names, over so many connections.
func New(e wiring.Environment, arn string, connections int) *Key {
	config := e.AWS(wiring.KMS, connections)
	if part := strings.Split(arn, ":"); len(part) > 3 {
		config.Region = part[3]
	}
	return &Key{client: signed.New(config, "kms"), arn: arn}
}

// Key returns the key to sign with. KMS is asked for its public half once.
func (k *Key) Key(ctx context.Context) (signature.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key.ID() != "" {
		return k.key, nil
	}
	public, err := k.public(ctx)
	if err != nil {
		return signature.Key{}, fmt.Errorf("getting the public half of a KMS key: %w", err)
	}
	key, err := signature.NewRemoteKey(public, k.sign)
	if err != nil {
		return signature.Key{}, err
	}
	k.key = key
	return key, nil
}

// public asks for the public half.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html
func (k *Key) public(ctx context.Context) (*ecdsa.PublicKey, error) {
	var out struct {
		KeyUsage  string
		PublicKey []byte // SubjectPublicKeyInfo
	}
	if err := k.ask(ctx, "GetPublicKey", map[string]any{"KeyId": k.arn}, &out); err != nil {
		return nil, err
	}
	if out.KeyUsage != "SIGN_VERIFY" {
		return nil, fmt.Errorf("%w: a KMS key for %s; it must be for SIGN_VERIFY", signature.ErrKey, out.KeyUsage)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", signature.ErrKey, err)
	}
	ec, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: a KMS key of %T; it must be ECC_NIST_P256", signature.ErrKey, public)
	}
	return ec, nil
}

// sign has KMS sign a SHA-256 digest.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
func (k *Key) sign(ctx context.Context, digest []byte) ([]byte, error) {
	var out struct{ Signature []byte }
	err := k.ask(ctx, "Sign", map[string]any{"KeyId": k.arn, "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}, &out)
	if err != nil {
		return nil, brief(err)
	}
	return out.Signature, nil
}

// brief says what failed without what KMS says of keys, roles and the account.
func brief(err error) error {
	refused, ok := errors.AsType[*signed.Error](err)
	switch {
	case errors.Is(err, errAnswer):
		return errAnswer
	case !ok || refused.Status >= http.StatusInternalServerError:
		return errUnreached
	case throttled(refused):
		return errThrottled
	case strings.Contains(refused.Body, "AccessDeniedException"):
		return errForbidden
	default:
		return errRefused
	}
}

func throttled(e *signed.Error) bool {
	return e.Status == http.StatusTooManyRequests || strings.Contains(e.Body, "ThrottlingException")
}

// ask asks KMS, and asks again where it throttled, failed or did not answer: what is asked changes nothing.
func (k *Key) ask(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", operation, err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"TrentService." + operation}}
	var answer []byte
	for try := 1; ; try++ {
		answer, err = k.client.Post(ctx, "/", header, body)
		refused, ok := errors.AsType[*signed.Error](err)
		final := err == nil || ok && refused.Status < http.StatusInternalServerError && !throttled(refused)
		if final || try == maxTries || !signed.Pause(ctx, firstBackoff, try) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %w", operation, errAnswer)
	}
	return nil
}
