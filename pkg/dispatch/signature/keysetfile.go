package signature

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// keySetFile is a set as text: a JWK set (RFC 7517, section 5) of private keys with members of its own.
type keySetFile struct {
	Keys     []keyFile `json:"keys"`
	Calls    string    `json:"calls,omitempty"`  // the kid of the key that signs calls
	Claims   string    `json:"claims,omitempty"` // the kid of the key that signs claims, if another
	Webhooks []webhook `json:"webhooks,omitempty"`
}

type keyFile struct {
	privateJWK
	Published time.Time `json:"publishedAt,omitzero"`
	Replaced  time.Time `json:"replacedAt,omitzero"`
}

// webhook is a secret of Standard Webhooks in a set.
type webhook struct {
	ID        string    `json:"id"`
	Origin    string    `json:"origin"` // of the receivers that share it
	Secret    string    `json:"secret"` // whsec_…
	Published time.Time `json:"publishedAt,omitzero"`
}

// Text writes the set for [ParseKeySet], private keys and secrets included. It is not named MarshalText, because loggers
// call that.
func (s KeySet) Text() ([]byte, error) {
	f := keySetFile{Keys: []keyFile{}, Calls: s.calls, Claims: s.claims, Webhooks: s.webhooks}
	for _, m := range s.keys {
		j, err := newPrivateJWK(m.Key)
		if err != nil {
			return nil, err
		}
		f.Keys = append(f.Keys, keyFile{j, m.published, m.replaced})
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a key set: %w", err)
	}
	return append(text, '\n'), nil
}

// ParseKeySet reads a set: as JSON, a JWK set of private keys, in which "calls" and "claims" name the keys that sign (if
// nothing does, the first that can sign calls does); or as PEM, one or more private keys, of which the first EC P-256 or
// Ed25519 key signs calls, and the first RSA key claims. It may have no key that can sign calls: see [KeySet.SignerBy]. Errors wrap [ErrKey] and show nothing of the keys.
func ParseKeySet(text []byte) (KeySet, error) {
	s, err := parseKeySet(text)
	if err != nil {
		return KeySet{}, fmt.Errorf("reading a key set: %w", err)
	}
	return s, nil
}

func parseKeySet(text []byte) (s KeySet, err error) {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		keys, err := parsePEM(text)
		if err != nil {
			return s, err
		}
		for _, k := range keys {
			if _, err := s.Add(k, time.Time{}); err != nil {
				return s, err
			}
			if s.claims == "" && !k.SignsCalls() {
				s.claims = k.ID()
			}
		}
		return s, s.check()
	}
	var f keySetFile
	if json.Unmarshal(text, &f) != nil {
		return s, fmt.Errorf("%w: not a JWK set", ErrKey) // the error would show some of it
	}
	for i, j := range f.Keys {
		k, err := j.key()
		if err == nil {
			_, err = s.Add(k, j.Published)
		}
		if err != nil {
			return s, fmt.Errorf("/keys/%d: %w", i, err)
		}
		s.keys[i].replaced = j.Replaced
	}
	if f.Calls != "" {
		s.calls = f.Calls
	}
	s.claims, s.webhooks = f.Claims, f.Webhooks
	return s, s.check()
}

// check finds names that name nothing. A set for another key that signs calls, or for none, has no name of its own.
func (s *KeySet) check() error {
	if i, err := s.find(s.calls); s.calls != "" && (err != nil || !s.keys[i].SignsCalls()) {
		return fmt.Errorf("%w: none signs calls; one must be EC P-256 or Ed25519", ErrKey)
	}
	if _, err := s.find(s.claims); err != nil && s.claims != "" {
		return fmt.Errorf("%w: claims: %w", ErrKey, err)
	}
	_, err := s.secrets()
	return err
}

// AddWebhook makes a secret for the receivers at an origin, beside those that they have: calls carry a signature by each
// until one is retired.
func (s *KeySet) AddWebhook(origin string, now time.Time) (KeyInfo, error) {
	w := webhook{ID: rand.Text(), Origin: origin, Secret: newWebhookSecret().text(), Published: now}
	all := KeySet{webhooks: append(slices.Clone(s.webhooks), w)}
	if _, err := all.secrets(); err != nil {
		return KeyInfo{}, err
	}
	s.webhooks = all.webhooks
	list := all.List()
	return list[len(list)-1], nil
}

// secrets returns the webhook secrets by origin, the newest first.
func (s *KeySet) secrets() (map[string][]WebhookSecret, error) {
	all := map[string][]WebhookSecret{}
	for i, w := range slices.Backward(s.webhooks) {
		u, err := url.Parse(w.Origin)
		if err != nil || Origin(u) == "" || Origin(u) != w.Origin {
			return nil, fmt.Errorf("/webhooks/%d: %w: the origin must be as https://api.example.com", i, ErrKey)
		}
		secret, err := ParseWebhookSecret(w.Secret)
		if err == nil && !validKeyID(w.ID) {
			err = fmt.Errorf("%w: it needs an id", ErrKey)
		}
		if err != nil {
			return nil, fmt.Errorf("/webhooks/%d: %w", i, err)
		}
		all[w.Origin] = append(all[w.Origin], secret)
	}
	return all, nil
}
