// Package samlocal runs the three functions on this machine: in containers, as SAM runs them, on DynamoDB Local, with
// the table that the template defines. It needs Docker, the SAM CLI, Java 17 and, the first time, Maven.
package samlocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"example.com/dispatch/functions/internal/template"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/signature"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Host is what containers call this machine.
const Host = "host.docker.internal"

// Options say what is run, and where.
type Options struct {
	Root         string            // the repository
	Work         string            // folder for the key and the settings; made if it is not there
	DynamoDBPort int               // of DynamoDB Local
	LambdaPort   int               // of Lambda's API
	Variables    map[string]string // of the functions, beyond those that a System sets
	Log          io.Writer         // what SAM and the functions say
}

// System is the functions and what they need, running.
type System struct {
	Address string        // of this machine as containers reach it
	Key     signature.Key // signs the calls
	Store   dynamo.Store  // in the table

	options  Options
	settings string // file with the functions' variables
	dynamodb *process
	lambda   *process
}

// Table is the name of the local table.
const Table = "dispatch-local"

// Start builds the functions, then starts DynamoDB Local, makes the table, and starts Lambda's API. It returns once
// all answer. What it started ends with Close.
func Start(ctx context.Context, o Options) (*System, error) {
	address, err := Address()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Work, 0o700); err != nil {
		return nil, fmt.Errorf("making the work folder: %w", err)
	}
	s := &System{Address: address, options: o, settings: filepath.Join(o.Work, "variables.json")}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context) error {
	if err := s.build(ctx); err != nil {
		return err
	}
	var pem string
	var err error
	if s.Key, pem, err = key(s.options.Work); err != nil {
		return err
	}
	variables := map[string]string{
		"TABLE": Table, "SIGNING_KEY": pem, "SIGN": "true",
		"AWS_ENDPOINT_URL_DYNAMODB": "http://" + net.JoinHostPort(Host, strconv.Itoa(s.options.DynamoDBPort)),
		"AWS_ENDPOINT_URL_LAMBDA":   "http://" + net.JoinHostPort(Host, strconv.Itoa(s.options.LambdaPort)),
	}
	maps.Copy(variables, s.options.Variables)
	if err := writeVariables(s.settings, variables); err != nil {
		return err
	}
	if err := s.startDynamoDB(ctx); err != nil {
		return err
	}
	s.Store = dynamo.Store{Table: Table, Client: dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(s.DynamoDB()), Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})}
	table, err := template.ReadTable(filepath.Join(s.options.Root, "template.yaml"))
	if err != nil {
		return err
	}
	if err := table.Create(ctx, s.Store.Client, Table); err != nil {
		return err
	}
	return s.startLambda(ctx)
}

// DynamoDB is the URL of DynamoDB Local for programs on this machine.
func (s *System) DynamoDB() string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.DynamoDBPort))
}

// Lambda is the URL of Lambda's API for programs on this machine.
func (s *System) Lambda() string {
	return "http://" + net.JoinHostPort(s.Address, strconv.Itoa(s.options.LambdaPort))
}

// Ended is closed when a part of the system has ended by itself.
func (s *System) Ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-s.dynamodb.done:
		case <-s.lambda.done:
		}
	}()
	return ended
}

// Close ends everything that was started, and its containers.
func (s *System) Close() error { return errors.Join(s.lambda.stop(), s.dynamodb.stop()) }

// Address is where containers find this machine as [Host]: on Linux the address of Docker's bridge. Docker
// Desktop hands such calls on to the loopback interface.
func Address() (string, error) {
	const loopback = "127.0.0.1"
	if runtime.GOOS != "linux" {
		return loopback, nil
	}
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return loopback, nil
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return "", fmt.Errorf("finding the address of Docker's bridge: %w", err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil {
			return network.IP.String(), nil
		}
	}
	return "", errors.New("docker's bridge has no IPv4 address")
}
