package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/dispatch/internal/function"
)

// maxAnswer is more than any answer, in bytes: Lambda's limit is that on an event.
const maxAnswer = maxInput + 1<<10

// Server returns an [Invoke] for a server, `dispatch serve`, at a URL such as http://127.0.0.1:8700. The token is what it
// asks callers for, "" for none. A nil http client is [http.DefaultClient].
func Server(url, token string, client *http.Client) Invoke {
	if client == nil {
		client = http.DefaultClient
	}
	url = strings.TrimRight(url, "/") + "/tasks"
	return func(ctx context.Context, input []byte) ([]byte, string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(input))
		if err != nil {
			return nil, "", fmt.Errorf("%w: making a request: %w", errFinal, err)
		}
		request.Header.Set("Content-Type", "application/json")
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, "", fmt.Errorf("asking the server: %w", err)
		}
		answer, err := read(response)
		switch {
		case err != nil:
			return nil, "", err
		case response.StatusCode == http.StatusBadRequest && response.Header.Get("Content-Type") == "application/problem+json":
			answer, err = json.Marshal(function.Error{Type: function.InvalidInput, Message: string(answer)})
			return answer, unhandled, err
		case response.StatusCode != http.StatusOK && response.StatusCode != http.StatusMultiStatus:
			return nil, "", statusError(response, answer)
		}
		return answer, "", nil
	}
}

// unhandled is how Lambda marks an answer that is the function's error.
const unhandled = "Unhandled"

// read returns the body of an answer.
func read(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return answer, nil
}

func statusError(response *http.Response, answer []byte) error {
	return &StatusError{Status: response.StatusCode, Body: string(answer[:min(len(answer), maxMessage)])}
}
