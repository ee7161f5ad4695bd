package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"example.com/dispatch/internal/signed"
	"github.com/aws/aws-sdk-go-v2/aws"
)

// Lambda returns an [Invoke] for the function enqueue, by its name or ARN, with or without a qualifier. It needs no more
// of the AWS SDK than the configuration, its endpoint included: AWS_ENDPOINT_URL_LAMBDA has it call `sam local
// start-lambda` or `dispatch serve` where the configuration was loaded by package config.
func Lambda(config aws.Config, name string) Invoke {
	config = config.Copy()
	if config.HTTPClient == nil {
		config.HTTPClient = http.DefaultClient
	}
	config, err := located(config)
	service := signed.New(config, "lambda")
	path := "/2015-03-31/functions/" + url.QueryEscape(name) + "/invocations"
	header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"RequestResponse"}}
	return func(ctx context.Context, input []byte) ([]byte, string, error) {
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", errFinal, err)
		}
		response, err := service.Do(ctx, path, header, input)
		if errors.Is(err, signed.ErrCredentials) {
			return nil, "", fmt.Errorf("%w: %w", errFinal, err)
		}
		if err != nil {
			return nil, "", err
		}
		answer, err := read(response)
		if err != nil {
			return nil, "", err
		}
		if response.StatusCode < 200 || response.StatusCode > 299 {
			return nil, "", statusError(response, answer)
		}
		return answer, response.Header.Get("X-Amz-Function-Error"), nil
	}
}

// located returns the configuration with the endpoint that its sources have for Lambda, as the SDK's own clients do: an
// endpoint of the service comes before one for all.
func located(config aws.Config) (aws.Config, error) {
	for _, source := range config.ConfigSources {
		s, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, service string) (string, bool, error)
		})
		if !ok {
			continue
		}
		endpoint, found, err := s.GetServiceBaseEndpoint(context.Background(), "Lambda")
		if err != nil {
			return config, fmt.Errorf("finding Lambda's endpoint: %w", err)
		}
		if found {
			config.BaseEndpoint = &endpoint
			break
		}
	}
	if config.Region == "" {
		return config, errors.New("the configuration has no region")
	}
	return config, nil
}
