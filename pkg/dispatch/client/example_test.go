package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// endpoint stands for AWS, and for a server.
var endpoint = play()

// awsConfig is config.LoadDefaultConfig's in a program.
var awsConfig = aws.Config{
	Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := client.Client{Invoke: client.Lambda(awsConfig, "dispatch-EnqueueFunction")}
	receipts, err := c.Enqueue(ctx, client.Task{
		ID:       "invoice-4711-paid",
		URI:      "https://api.example.com/invoices/4711",
		Body:     map[string]bool{"paid": true},
		Lifetime: 86400,
		Attempts: client.Attempts{Interval: 60, Backoff: 2, MaxInterval: 3600},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipts[0].ID, receipts[0].State)
	// Output: invoice-4711-paid scheduled
}

func ExampleServer() {
	c := client.Client{Invoke: client.Server(endpoint, "", nil)} // http://127.0.0.1:8700
	receipts, err := c.Enqueue(context.Background(), client.Task{ID: "call-1", URI: "https://example.com/", Delay: 3600})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipts[0].ID, receipts[0].State)
	// Output: call-1 scheduled
}

// A client of the AWS SDK is an [client.Invoke] with a few lines.
func ExampleInvoke() {
	l := lambda.NewFromConfig(awsConfig)
	c := client.Client{Invoke: func(ctx context.Context, input []byte) ([]byte, string, error) {
		out, err := l.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("dispatch-EnqueueFunction"), Payload: input})
		if err != nil {
			return nil, "", err
		}
		return out.Payload, aws.ToString(out.FunctionError), nil
	}}
	receipts, err := c.Enqueue(context.Background(), client.Task{ID: "call-2", URI: "https://example.com/"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipts[0].ID, receipts[0].State)
	// Output: call-2 scheduled
}

// Any number of tasks go in one call of Enqueue; a conflict is one task's, faults are those of all.
func ExampleClient_Enqueue() {
	c := client.Client{Invoke: client.Lambda(awsConfig, "dispatch-EnqueueFunction")}
	tasks := make([]client.Task, 1500)
	for i := range tasks {
		tasks[i] = client.Task{ID: "row-" + strconv.Itoa(i), URI: "https://example.com/rows/" + strconv.Itoa(i), Method: "PUT"}
	}
	receipts, err := c.Enqueue(context.Background(), tasks...)
	fmt.Println(len(receipts), receipts[1499].ID, receipts[1499].State, err)

	receipts, err = c.Enqueue(context.Background(), client.Task{ID: "row-7", URI: "https://example.com/other"})
	fmt.Println(receipts[0].Error.Status, receipts[0].Error.Detail, err)

	_, err = c.Enqueue(context.Background(), client.Task{URI: "https://example.com/"}, client.Task{URI: "example.com", HTTPTimeout: 1000})
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		for _, fault := range invalid.Faults {
			fmt.Println(fault.Pointer, fault.Detail)
		}
	}
	// Output:
	// 1500 row-1499 scheduled <nil>
	// 409 this id has been enqueued with other content <nil>
	// #/tasks/1/httpTimeout must be a whole number from 1 to 600
	// #/tasks/1/uri must be an https URL, or an ARN
}

// What is not to be sent is decided before anything is.
func ExampleClient_When() {
	paid := func(t client.Task) bool { return t.Body.(map[string]bool)["paid"] }
	test := func(t client.Task) bool { return t.Headers["X-Tenant"] == "test" }
	c := client.Client{Invoke: client.Lambda(awsConfig, "dispatch-EnqueueFunction")}.When(paid).SkipIf(test)
	receipts, err := c.Enqueue(context.Background(),
		client.Task{ID: "invoice-1", URI: "https://example.com/invoices/1", Body: map[string]bool{"paid": true}},
		client.Task{ID: "invoice-2", URI: "https://example.com/invoices/2", Body: map[string]bool{"paid": false}},
		client.Task{ID: "invoice-3", URI: "https://example.com/invoices/3", Body: map[string]bool{"paid": true}, Headers: map[string]any{"X-Tenant": "test"}},
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range receipts {
		fmt.Println(r.ID, r.State)
	}
	// Output:
	// invoice-1 scheduled
	// invoice-2 skipped
	// invoice-3 skipped
}
