// Package secretsmanager reads secrets of AWS Secrets Manager.
package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/signed"
)

// Client asks with the credentials of the function's role. It is safe for concurrent use.
type Client struct{ client *signed.Client }

// New returns a client for the environment's region.
func New(e wiring.Environment) Client {
	return Client{signed.New(e.AWS(wiring.SecretsManager, 1), "secretsmanager")}
}

// Text reads the text of a secret, by its name or ARN; nil if it holds none. The error wraps a *[signed.Error] where
// Secrets Manager refused.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func (c Client) Text(ctx context.Context, id string) (*string, error) {
	body, err := json.Marshal(map[string]string{"SecretId": id})
	if err != nil {
		return nil, fmt.Errorf("asking for the secret: %w", err)
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"secretsmanager.GetSecretValue"}}
	answer, err := c.client.Post(ctx, "/", header, body)
	if err != nil {
		return nil, fmt.Errorf("reading the secret: %w", err)
	}
	var out struct{ SecretString *string }
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, errors.New("reading the secret: the answer is not JSON") // err would show it
	}
	return out.SecretString, nil
}
