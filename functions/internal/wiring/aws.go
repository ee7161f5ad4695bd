package wiring

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"example.com/dispatch/internal/http1"
	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// The services that a local run may serve itself, as the SDKs name them in AWS_ENDPOINT_URL_<service>.
const (
	DynamoDB       = "DYNAMODB"
	Lambda         = "LAMBDA"
	EventBridge    = "EVENTBRIDGE"
	KMS            = "KMS"
	SecretsManager = "SECRETS_MANAGER"
	StepFunctions  = "SFN"
)

const (
	// idleFor is less than AWS keeps an unused connection: one that froze with the function is not used again.
	idleFor = 20 * time.Second
	// answerTime is how long a request may stay without an answer before its connection counts as dead.
	answerTime = 5 * time.Second
)

// AWS returns the configuration for a service's client, which keeps so many connections. It is made by hand,
// because config.LoadDefaultConfig brings files, SSO, STS and IMDS along, at the expense of every cold start.
func (e Environment) AWS(service string, connections int) aws.Config {
	return *e.Calling(service, awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = connections, connections
		t.IdleConnTimeout, t.ResponseHeaderTimeout = idleFor, answerTime
	}))
}

// Calling returns the configuration for calling a service with this client.
func (e Environment) Calling(service string, client aws.HTTPClient) *aws.Config {
	c := &aws.Config{Region: e.get("AWS_REGION"), Credentials: aws.CredentialsProviderFunc(e.credentials), HTTPClient: client}
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		if endpoint := e.get(name); endpoint != "" {
			c.BaseEndpoint = &endpoint
			break
		}
	}
	return c
}

// Invokes returns the configuration for invoking functions, over so many connections. A sweep's CPU time is spent on them, and
// without net/http's two goroutines for each it takes a fifth less. Where there is a proxy they go through net/http all the same.
func (e Environment) Invokes(connections int) aws.Config {
	c := e.AWS(Lambda, connections)
	if proxied(c) {
		return c
	}
	dialer := &net.Dialer{Timeout: answerTime}
	c.HTTPClient = &http.Client{
		Transport:     &http1.Transport{Dial: dialer.DialContext, Handshake: answerTime, Answer: answerTime, Idle: connections, IdleFor: idleFor},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// proxied reports whether Lambda is reached through a proxy, which the environment names.
func proxied(c aws.Config) bool {
	to, err := url.Parse(signed.Endpoint(c, "lambda"))
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: to})
	return proxy != nil || err != nil
}

// credentials are those of the function's role, which Lambda puts into the environment.
func (e Environment) credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{
		AccessKeyID:     e.get("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: e.get("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    e.get("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}, nil
}

// Store returns the store in the function's table, with so many connections.
func (e Environment) Store(connections int) dynamo.Store {
	return dynamo.Store{Client: dynamodb.NewFromConfig(e.AWS(DynamoDB, connections)), Table: e.Table}
}
