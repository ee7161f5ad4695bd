package functiontest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// KMS plays AWS KMS with keys of its own, one for each ARN that it was made with: it really signs, as DER.
type KMS struct {
	Usage string // of the keys; SIGN_VERIFY unless set

	mu     sync.Mutex
	keys   map[string]*ecdsa.PrivateKey
	asked  map[string]int
	refuse map[string][]string // by operation: the errors to answer with first
}

// NewKMS returns one with these keys, of P-256.
func NewKMS(t testing.TB, arns ...string) *KMS {
	t.Helper()
	k := &KMS{Usage: "SIGN_VERIFY", keys: map[string]*ecdsa.PrivateKey{}, asked: map[string]int{}, refuse: map[string][]string{}}
	for _, arn := range arns {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k.keys[arn] = key
	}
	return k
}

// Serve answers at the URL that it returns, until the test ends.
func (k *KMS) Serve(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	return server.URL
}

// Private returns a key that it holds.
func (k *KMS) Private(arn string) *ecdsa.PrivateKey { return k.keys[arn] }

// Refuse has the next requests of an operation, such as Sign, answered with these errors, such as ThrottlingException; the
// one called "500" is a fault of the service, and "" an answer that is no JSON.
func (k *KMS) Refuse(operation string, errors ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse[operation] = errors
}

// Asked returns how often an operation was asked for.
func (k *KMS) Asked(operation string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked[operation]
}

// ServeHTTP implements [http.Handler].
func (k *KMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		KeyId, MessageType, SigningAlgorithm string
		Message                              []byte
	}
	target := r.Header.Get("X-Amz-Target")
	bad := json.NewDecoder(r.Body).Decode(&in) != nil
	k.mu.Lock()
	defer k.mu.Unlock()
	const service = "TrentService."
	operation := target[min(len(service), len(target)):]
	k.asked[operation]++
	key := k.keys[in.KeyId]
	failure := ""
	switch refuse := k.refuse[operation]; {
	case len(refuse) > 0 && refuse[0] == "":
		k.refuse[operation] = refuse[1:]
		w.Write([]byte("<html>"))
		return
	case len(refuse) > 0:
		failure, k.refuse[operation] = refuse[0], refuse[1:]
	case bad || key == nil:
		failure = "NotFoundException"
	case target == service+"GetPublicKey":
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err == nil {
			err = json.NewEncoder(w).Encode(map[string]any{"KeyId": in.KeyId, "KeyUsage": k.Usage, "KeySpec": "ECC_NIST_P256", "PublicKey": public})
		}
		if err == nil {
			return
		}
		failure = err.Error()
	case target == service+"Sign" && in.MessageType == "DIGEST" && in.SigningAlgorithm == "ECDSA_SHA_256" && len(in.Message) == 32:
		der, err := ecdsa.SignASN1(rand.Reader, key, in.Message)
		if err == nil {
			err = json.NewEncoder(w).Encode(map[string]any{"KeyId": in.KeyId, "Signature": der, "SigningAlgorithm": in.SigningAlgorithm})
		}
		if err == nil {
			return
		}
		failure = err.Error()
	default:
		failure = "ValidationException"
	}
	status := http.StatusBadRequest
	if failure == "500" {
		status, failure = http.StatusInternalServerError, "KMSInternalException"
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": failure, "message": "User: arn:aws:sts::123456789012:assumed-role/canary is not authorized"})
}
