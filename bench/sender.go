package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	callTime  = 30 * time.Second // dispatch's default
	tokenTime = time.Minute
)

// sender makes the calls of River's and Asynq's tasks, as dispatch makes its own.
type sender struct {
	client *http.Client
	key    *ecdsa.PrivateKey // nil: calls are not signed
}

func newSender(concurrency int, signed bool) (*sender, error) {
	s := &sender{client: &http.Client{Timeout: callTime, Transport: &http.Transport{
		MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency, DisableCompression: true,
	}}}
	if !signed {
		return s, nil
	}
	var err error
	s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return s, err
}

// claims are those of dispatch's signature of a call.
type claims struct {
	jwt.RegisteredClaims
	Method     string `json:"method"`
	URL        string `json:"url"`
	Attempt    int    `json:"attempt"`
	Generation int64  `json:"generation"`
	SHA256     string `json:"sha256"`
}

// send makes one call. Any answer but 2xx is an error, so that the task is tried again.
func (s *sender) send(ctx context.Context, c call, id string, attempt int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URI, bytes.NewReader(c.Body))
	if err != nil {
		return err
	}
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "Idempotency-Key": {id}, "Dispatch-Attempt": {strconv.Itoa(attempt)},
	}
	if s.key != nil {
		token, err := s.sign(request, c.Body, attempt)
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		request.Header.Set("Dispatch-Signature", token)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

func (s *sender) sign(request *http.Request, body []byte, attempt int) (string, error) {
	now, sum := time.Now(), sha256.Sum256(body)
	return jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: "bench", Audience: jwt.ClaimStrings{request.URL.Scheme + "://" + request.URL.Host}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(tokenTime)),
		},
		Method: request.Method, URL: request.URL.String(), Attempt: attempt, Generation: now.UnixMilli(), SHA256: hex.EncodeToString(sum[:]),
	}).SignedString(s.key)
}
