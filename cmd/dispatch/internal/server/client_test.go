package server_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// TestClient enqueues with the Go client in each of its ways, 1,001 tasks at once too.
func TestClient(t *testing.T) {
	url := target(t, always(204))
	const token = "a token"
	for _, c := range []struct {
		name   string
		token  string
		invoke func(r rig) client.Invoke
	}{
		{"through the API", "", func(r rig) client.Invoke { return client.Server(r.URL(), "", nil) }},
		{"through the API with a token", token, func(r rig) client.Invoke { return client.Server(r.URL(), token, nil) }},
		{"as Lambda", "", func(r rig) client.Invoke {
			return client.Lambda(aws.Config{
				Region: "eu-west-1", BaseEndpoint: aws.String(r.URL()), Credentials: credentials.NewStaticCredentialsProvider("x", "y", ""),
			}, "EnqueueFunction")
		}},
		{"with the SDK", "", func(r rig) client.Invoke { return sdk(r.sdk(), "EnqueueFunction") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, func(o *server.Options) { o.Token = c.token })
			enqueue := client.Client{Invoke: c.invoke(r)}.Enqueue
			first := client.Task{ID: "a", URI: url, Body: map[string]bool{"paid": true}}
			receipts, err := enqueue(t.Context(), first, client.Task{ID: "a", URI: url + "/other"}, client.Task{URI: url})
			if err != nil || receipts[0].State != dispatch.Scheduled || receipts[1].Error == nil || receipts[1].Error.Status != 409 || receipts[2].ID == "" {
				t.Fatalf("%+v, %v", receipts, err)
			}
			r.await("a", dispatch.Delivered)
			r.await(receipts[2].ID, dispatch.Delivered)
			if receipts, err = enqueue(t.Context(), first); err != nil || !receipts[0].Existing || receipts[0].State != dispatch.Delivered {
				t.Errorf("again: %+v, %v", receipts, err)
			}

			tasks := make([]client.Task, 1001)
			for i := range tasks {
				tasks[i] = client.Task{ID: "many-" + strconv.Itoa(i), URI: url, Delay: 3600}
			}
			if receipts, err = enqueue(t.Context(), tasks...); err != nil || receipts[1000].ID != "many-1000" || receipts[1000].State != dispatch.Scheduled {
				t.Errorf("%+v, %v", receipts[len(receipts)-1], err)
			}
			tasks[1000].HTTPTimeout = 1000
			_, err = enqueue(t.Context(), tasks...)
			if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); !ok || invalid.Faults[0].Pointer != "#/tasks/1000/httpTimeout" {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("with a wrong token", func(t *testing.T) {
		r := start(t, func(o *server.Options) { o.Token = token })
		_, err := client.Client{Invoke: client.Server(r.URL(), "another", nil)}.Enqueue(t.Context(), client.Task{URI: url})
		if refused, ok := errors.AsType[*client.StatusError](err); !ok || refused.Status != 401 {
			t.Errorf("error %v", err)
		}
	})
}

// sdk makes an Invoke of a client of the SDK, as the package's documentation shows.
func sdk(l *lambda.Client, name string) client.Invoke {
	return func(ctx context.Context, input []byte) ([]byte, string, error) {
		out, err := l.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: input})
		if err != nil {
			return nil, "", err
		}
		return out.Payload, aws.ToString(out.FunctionError), nil
	}
}
