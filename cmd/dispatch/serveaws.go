package main

import (
	"context"
	"errors"
	"fmt"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/internal/eventbus"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/target"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// awsFlags say what of AWS, or of what stands for it, a server calls: nothing unless it is told to, whatever
// credentials lie about.
type awsFlags struct {
	AWSTargets bool   `name:"aws-targets" help:"Let tasks go to Lambda functions and state machines on AWS, with the usual credentials. Otherwise only to those at the endpoints below."`
	EventBus   string `env:"DISPATCH_EVENT_BUS" placeholder:"NAME" help:"The EventBridge bus, by name or ARN, that is told of tasks that failed for good or keep failing."`

	LambdaEndpoint        string `env:"AWS_ENDPOINT_URL_LAMBDA,AWS_ENDPOINT_URL" placeholder:"URL" help:"Where Lambda is, if not on AWS."`
	StepFunctionsEndpoint string `env:"AWS_ENDPOINT_URL_SFN,AWS_ENDPOINT_URL" placeholder:"URL" help:"Where Step Functions is."`
	EventBridgeEndpoint   string `env:"AWS_ENDPOINT_URL_EVENTBRIDGE,AWS_ENDPOINT_URL" placeholder:"URL" help:"Where EventBridge is."`
}

var errNoRegion = errors.New("an event bus needs a region: set AWS_REGION, or give its ARN")

// apply puts what the flags ask for into the server's options.
func (f awsFlags) apply(ctx context.Context, o *server.Options) error {
	o.CheckARN = f.checkARN
	functions, machines := f.AWSTargets || f.LambdaEndpoint != "", f.AWSTargets || f.StepFunctionsEndpoint != ""
	if !functions && !machines && f.EventBus == "" {
		return nil
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("loading the AWS configuration: %w", err)
	}
	client := egress.New(egress.Options{AllowedNetworks: egress.Everywhere(), Workers: o.Workers})
	at := func(endpoint string) *aws.Config {
		c := &aws.Config{Region: loaded.Region, Credentials: loaded.Credentials, HTTPClient: client}
		if endpoint != "" {
			c.BaseEndpoint = &endpoint
		}
		return c
	}
	o.AWS = &target.AWS{}
	if functions {
		o.AWS.Lambda = at(f.LambdaEndpoint)
	}
	if machines {
		o.AWS.StepFunctions = at(f.StepFunctionsEndpoint)
	}
	if f.EventBus == "" {
		return nil
	}
	if loaded.Region == "" && !dispatch.IsARN(f.EventBus) {
		return errNoRegion
	}
	o.Notify = eventbus.New(*at(f.EventBridgeEndpoint), f.EventBus, o.Log).Notify
	return nil
}

// checkARN says why no task may go there.
func (f awsFlags) checkARN(a dispatch.ARN) error {
	switch {
	case f.AWSTargets:
		return nil
	case a.Service == dispatch.LambdaService && f.LambdaEndpoint == "":
		return errors.New("functions are not called here: start the server with --aws-targets, or with AWS_ENDPOINT_URL_LAMBDA")
	case a.Service == dispatch.StatesService && f.StepFunctionsEndpoint == "":
		return errors.New("state machines are not called here: start the server with --aws-targets, or with AWS_ENDPOINT_URL_SFN")
	default:
		return nil
	}
}
