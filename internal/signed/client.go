// Package signed calls AWS services with requests that it signs itself. dispatch needs an operation or two of each, and
// the SDK's clients take a millisecond of every cold start to describe all others. It never repeats a request.
package signed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Client calls one service.
type Client struct {
	config   aws.Config
	service  string // as signatures name it
	endpoint string
	signer   *v4.Signer
}

// maxAnswer is more than any answer that Post is to read, in bytes.
const maxAnswer = 1 << 20

// ErrCredentials is the error for a request that could not be signed.
var ErrCredentials = errors.New("no AWS credentials")

// New returns a client of the service: "lambda", "secretsmanager", "states", "events". It uses the configuration's
// region, endpoint, credentials and HTTP client.
func New(config aws.Config, service string) *Client {
	return &Client{config: config, service: service, endpoint: Endpoint(config, service), signer: v4.NewSigner()}
}

// Endpoint returns where a client calls the service: the configuration's endpoint, else AWS's in its region.
func Endpoint(config aws.Config, service string) string {
	if config.BaseEndpoint != nil {
		return strings.TrimRight(*config.BaseEndpoint, "/")
	}
	return "https://" + service + "." + config.Region + "." + suffix(config.Region)
}

// suffix is what the names of a region's endpoints end with. The isolated regions' are not known here: give
// AWS_ENDPOINT_URL there.
func suffix(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	default:
		return "amazonaws.com"
	}
}

// Error is an answer that is none of success.
type Error struct {
	Status int
	Body   string // at most 200 bytes
}

// Error says what came.
func (e *Error) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// Post does what Do does, and returns the answer's body. The error is an *Error if its status is not of success.
func (c *Client) Post(ctx context.Context, path string, header http.Header, body []byte) ([]byte, error) {
	response, err := c.Do(ctx, path, header, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.service, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, &Error{Status: response.StatusCode, Body: string(answer[:min(len(answer), 200)])}
	}
	return answer, nil
}

// Do sends the body to the path, which is escaped already, and returns the answer, whatever its status; the caller
// closes its body. The error wraps ErrCredentials if nothing was sent for lack of them.
func (c *Client) Do(ctx context.Context, path string, header http.Header, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request for %s: %w", c.service, err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if c.config.Credentials == nil {
		return nil, ErrCredentials
	}
	credentials, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	sum := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), c.service, c.config.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("signing a request for %s: %w", c.service, err)
	}
	response, err := c.config.HTTPClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", c.service, err)
	}
	return response, nil
}
