package signature

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// callClaims are the claims of a call's signature, as the package documentation lists them.
type callClaims struct {
	Issuer     string `json:"iss"`
	Subject    string `json:"sub"`
	Audience   string `json:"aud"`
	IssuedAt   int64  `json:"iat"`
	ExpiresAt  int64  `json:"exp"`
	NotBefore  int64  `json:"nbf,omitempty"` // never signed here, but honoured
	ID         string `json:"jti"`
	Method     string `json:"method"`
	URL        string `json:"url"`
	Attempt    int    `json:"attempt"`
	Generation int64  `json:"generation"`
	SHA256     string `json:"sha256"`
}

// The methods of [jwt.Claims], by which the parser checks the registered claims.

// GetExpirationTime returns exp, nil if there is none.
func (c *callClaims) GetExpirationTime() (*jwt.NumericDate, error) { return numeric(c.ExpiresAt), nil }

// GetIssuedAt returns iat, nil if there is none.
func (c *callClaims) GetIssuedAt() (*jwt.NumericDate, error) { return numeric(c.IssuedAt), nil }

// GetNotBefore returns nbf, nil if there is none.
func (c *callClaims) GetNotBefore() (*jwt.NumericDate, error) { return numeric(c.NotBefore), nil }

// GetIssuer returns iss.
func (c *callClaims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject returns sub.
func (c *callClaims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience returns aud.
func (c *callClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.Audience}, nil
}

func numeric(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil
	}
	return &jwt.NumericDate{Time: time.Unix(seconds, 0)}
}
