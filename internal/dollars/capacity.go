package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// capacity is a proxy before DynamoDB Local that has every request report what it consumed, and adds it up.
type capacity struct {
	*httptest.Server
	endpoint string

	mu            sync.Mutex
	writes, reads float64 // units
	requests      int
	refused       int      // of the writes, by their condition
	uncounted     []string // operations that cannot be counted
}

func newCapacity(endpoint string) *capacity {
	c := &capacity{endpoint: endpoint}
	c.Server = httptest.NewServer(c)
	return c
}

// ServeHTTP implements [http.Handler].
func (c *capacity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := c.pass(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func (c *capacity) pass(w http.ResponseWriter, r *http.Request) error {
	var in map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return fmt.Errorf("decoding a request: %w", err)
	}
	in["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	// What was given up is done all the same, and counted.
	request, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, name := range []string{"Authorization", "Content-Type", "X-Amz-Target", "X-Amz-Date"} {
		request.Header.Set(name, r.Header.Get(name))
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("asking DynamoDB Local: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading DynamoDB Local's answer: %w", err)
	}
	c.count(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."), answer)
	for name := range response.Header {
		w.Header().Set(name, response.Header.Get(name))
	}
	w.WriteHeader(response.StatusCode)
	_, err = w.Write(answer)
	return err
}

// count adds what a request consumed. DynamoDB Local tells it wrongly of transactions, so there may be none.
func (c *capacity) count(operation string, answer []byte) {
	var out struct {
		Type             string `json:"__type"`
		ConsumedCapacity units
		Item             json.RawMessage // of a condition that did not hold
	}
	err := json.Unmarshal(answer, &out)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	switch operation {
	case "PutItem", "UpdateItem", "DeleteItem":
		c.writes += float64(out.ConsumedCapacity)
		if strings.HasSuffix(out.Type, "ConditionalCheckFailedException") { // billed as a write of the row's size; rows here are small
			c.writes++
			c.refused++
		}
	case "GetItem", "BatchGetItem", "Query", "Scan":
		c.reads += float64(out.ConsumedCapacity)
	default:
		c.uncounted = append(c.uncounted, operation)
	}
	if err != nil || math.IsNaN(float64(out.ConsumedCapacity)) {
		c.uncounted = append(c.uncounted, operation+": "+string(answer))
	}
}

// units are those of one table, or of a batch's.
type units float64

// UnmarshalJSON implements [json.Unmarshaler].
func (u *units) UnmarshalJSON(b []byte) error {
	type consumed struct{ CapacityUnits float64 }
	var all []consumed
	if len(b) > 0 && b[0] != '[' {
		b = append(append([]byte("["), b...), ']')
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*u = 0
	for _, one := range all {
		*u += units(one.CapacityUnits)
	}
	return nil
}
