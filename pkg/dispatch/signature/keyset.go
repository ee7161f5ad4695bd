package signature

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// KeySet is the keys of a service. One signs calls and one claims; all public halves are published, so that what any
// of them signed verifies. The zero KeySet is empty. A key takes over without a gap in three steps: it is added, and so
// published; once all receivers may have read it, it signs; once nothing that the former key signed is on its way, that
// one is retired.
type KeySet struct {
	keys     []member // in the order in which they came
	calls    string   // the id of the key that signs calls
	claims   string   // the id of the key that signs claims; "": the same
	webhooks []webhook
}

// member is a key in a set.
type member struct {
	Key
	published time.Time // when it came into the set; zero if that is not known
	replaced  time.Time // when another began to sign for it; zero if none has
}

// KeyInfo says of a key or webhook secret of a set all that is no secret.
type KeyInfo struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"` // of a webhook secret "whsec"
	Calls     bool      `json:"calls"`
	Claims    bool      `json:"claims"`
	Origin    string    `json:"origin,omitempty"` // whom a webhook secret is for
	Published time.Time `json:"publishedAt,omitzero"`
	Replaced  time.Time `json:"replacedAt,omitzero"`
}

// Why a set was not changed. The errors of its methods wrap one of these, or [ErrKey].
var (
	ErrTooEarly = errors.New("too early")            // receivers may not have read the key, or calls it signed are on their way
	ErrInUse    = errors.New("the key is in use")    // it signs
	ErrNoKey    = errors.New("there is no such key") // in the set
)

// Add publishes a key. The first one that can sign calls does so at once.
func (s *KeySet) Add(k Key, now time.Time) (KeyInfo, error) {
	if k.method == nil {
		return KeyInfo{}, fmt.Errorf("%w: there is none", ErrKey)
	}
	if k.remote != nil {
		return KeyInfo{}, fmt.Errorf("%w: a service holds %s, and no set", ErrKey, k.ID())
	}
	if _, err := s.find(k.ID()); err == nil {
		return KeyInfo{}, fmt.Errorf("%w: %s is in the set already", ErrKey, k.ID())
	}
	s.keys = append(s.keys, member{Key: k, published: now})
	if s.calls == "" && k.SignsCalls() {
		s.calls = k.ID()
	}
	return s.info(len(s.keys) - 1), nil
}

// Sign has a key sign calls from now on, and claims if no other key does; or claims alone, if that is asked for or it can
// sign nothing else. With id "" it is the newest of those that can sign calls and were never replaced. A key that was published within the
// last wait is refused with [ErrTooEarly], because receivers may not know it yet; a secret, which is never published, is
// not.
func (s *KeySet) Sign(id string, claims bool, now time.Time, wait time.Duration) (KeyInfo, error) {
	for _, m := range slices.Backward(s.keys) {
		if id == "" && m.SignsCalls() && m.ID() != s.calls && m.replaced.IsZero() {
			id = m.ID()
		}
	}
	i, err := s.find(id)
	if err != nil {
		return KeyInfo{}, err
	}
	if m := &s.keys[i]; m.secret == nil && id != s.calls && id != s.claims && now.Sub(m.published) < wait {
		return KeyInfo{}, fmt.Errorf("%w: %s was published at %v, and receivers may not have read it before %v",
			ErrTooEarly, id, m.published.UTC().Format(time.RFC3339), m.published.Add(wait).UTC().Format(time.RFC3339))
	}
	signs := &s.claims
	if s.keys[i].SignsCalls() && !claims {
		signs = &s.calls
	}
	former := *signs
	*signs, s.keys[i].replaced = id, time.Time{}
	if f, err := s.find(former); err == nil && former != s.calls && former != s.claims {
		s.keys[f].replaced = now
	}
	return s.info(i), nil
}

// Retire takes a key or a webhook secret out of the set: what it signed verifies nowhere from then on. A key that signs is
// refused with [ErrInUse], one that was replaced within the last wait with [ErrTooEarly].
func (s *KeySet) Retire(id string, now time.Time, wait time.Duration) error {
	if w := slices.IndexFunc(s.webhooks, func(w webhook) bool { return w.ID == id }); w >= 0 {
		s.webhooks = slices.Delete(s.webhooks, w, w+1)
		return nil
	}
	i, err := s.find(id)
	if err != nil {
		return err
	}
	switch m := s.keys[i]; {
	case id == s.calls, id == s.claims:
		return fmt.Errorf("%w: %s signs", ErrInUse, id)
	case now.Sub(m.replaced) < wait:
		return fmt.Errorf("%w: %s signed until %v, and what it signed may be on its way until %v",
			ErrTooEarly, id, m.replaced.UTC().Format(time.RFC3339), m.replaced.Add(wait).UTC().Format(time.RFC3339))
	}
	s.keys = slices.Delete(s.keys, i, i+1)
	return nil
}

func (s *KeySet) find(id string) (int, error) {
	i := slices.IndexFunc(s.keys, func(m member) bool { return m.ID() == id })
	if i < 0 {
		return i, fmt.Errorf("%w: %.64q", ErrNoKey, id)
	}
	return i, nil
}

func (s *KeySet) info(i int) KeyInfo {
	m := &s.keys[i]
	claims := s.claims == m.ID() || s.claims == "" && s.calls == m.ID()
	return KeyInfo{ID: m.ID(), Algorithm: m.Algorithm(), Calls: s.calls == m.ID(), Claims: claims, Published: m.published, Replaced: m.replaced}
}

// List says what is in the set: keys as they came, then webhook secrets.
func (s *KeySet) List() []KeyInfo {
	var all []KeyInfo
	for i := range s.keys {
		all = append(all, s.info(i))
	}
	for _, w := range s.webhooks {
		all = append(all, KeyInfo{ID: w.ID, Algorithm: "whsec", Calls: true, Origin: w.Origin, Published: w.Published})
	}
	return all
}

// Public returns what is published: the public halves of all keys, and nothing of secrets.
func (s *KeySet) Public() JWKS {
	all := JWKS{Keys: []JWK{}}
	for _, m := range s.keys {
		if m.private != nil {
			all.Keys = append(all.Keys, m.public)
		}
	}
	return all
}

// Signer returns a signer with the set's keys. A set with no key that signs calls is refused with [ErrKey], and one without
// webhook secrets where the mode needs some.
func (s *KeySet) Signer(issuer string, mode Mode) (*Signer, error) {
	i, err := s.find(s.calls)
	if err != nil {
		return nil, fmt.Errorf("%w: none in the set signs calls; one must be EC P-256 or Ed25519", ErrKey)
	}
	return s.SignerBy(s.keys[i].Key, issuer, mode)
}

// SignerBy returns a signer whose calls are signed by a key that need not be in the set, such as one that a service holds; and
// its claims too, unless the set names a key for them. The webhook secrets are the set's.
func (s *KeySet) SignerBy(calls Key, issuer string, mode Mode) (*Signer, error) {
	if !calls.SignsCalls() {
		return nil, fmt.Errorf("%w: %s signs claims only", ErrKey, calls.Algorithm())
	}
	secrets, err := s.secrets()
	if err != nil {
		return nil, err
	}
	signer := &Signer{Key: calls, Webhooks: secrets, Mode: mode, Issuer: issuer}
	if c, err := s.find(s.claims); err == nil {
		signer.Claims = &s.keys[c].Key
	}
	if mode != JWT && mode != "" && len(secrets) == 0 {
		return nil, fmt.Errorf("%w: the set has no webhook secrets to sign with", ErrKey)
	}
	return signer, nil
}

// String says how many keys there are, so that no log shows one.
func (s KeySet) String() string {
	return fmt.Sprintf("%d keys, calls signed by %s", len(s.keys), s.calls)
}

// GoString does for %#v what String does for %v.
func (s KeySet) GoString() string { return s.String() }
