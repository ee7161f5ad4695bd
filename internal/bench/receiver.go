package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"time"
)

// receiver counts calls to /call, and how long after the instant in their URL they came.
type receiver struct {
	mu      sync.Mutex
	tally   tally
	changed chan struct{} // closed at the call that somebody waits for
	wanted  int
}

// tally is what a receiver has seen since it was last asked to forget.
type tally struct {
	Calls int             `json:"calls"`
	Last  time.Time       `json:"last"` // when the last call of those waited for came
	Late  []time.Duration `json:"late,omitempty"`
}

// sentAt is the query's name for an instant in ns since 1970.
const sentAt = "at"

// runReceiver serves until standard input ends, which it does with the process that started it.
func runReceiver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	r := &receiver{}
	control := http.NewServeMux()
	control.HandleFunc("/wait", r.wait)
	control.HandleFunc("/forget", r.forget)
	fmt.Fprintf(os.Stderr, "receiver: listening on http://%s\n", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		go r.serve(ctx, conn, control)
	}
}

// serve answers the requests of a connection. Calls are read and answered with as little work as can be: what
// is measured is who calls, and a server like net/http's costs more than half of what its client does.
func (r *receiver) serve(ctx context.Context, conn net.Conn, control http.Handler) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		start, err := in.Peek(len(callStart))
		if err != nil {
			return
		}
		if string(start) == callStart {
			err = r.call(in, conn)
		} else {
			err = answer(ctx, in, conn, control)
		}
		if err != nil {
			return
		}
	}
}

const (
	callStart = "POST /call"
	accepted  = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

// answer has a handler answer one request.
func answer(ctx context.Context, in *bufio.Reader, out io.Writer, handler http.Handler) error {
	request, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request.WithContext(ctx))
	response := w.Result()
	response.ContentLength = int64(w.Body.Len())
	return response.Write(out)
}

// call reads one call, whose body has a length, and answers it.
func (r *receiver) call(in *bufio.Reader, out io.Writer) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	at := int64(0)
	if _, query, ok := bytes.Cut(line, []byte("?"+sentAt+"=")); ok {
		number, _, _ := bytes.Cut(query, []byte(" "))
		if at, err = strconv.ParseInt(string(number), 10, 64); err != nil {
			return err
		}
	}
	length := 0
	for len(bytes.TrimRight(line, "\r\n")) > 0 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if _, err := in.Discard(length); err != nil {
		return err
	}
	r.count(at, time.Now())
	_, err = io.WriteString(out, accepted)
	return err
}

// count counts a call that came now, and that was sent at an instant in ns since 1970, 0 for none.
func (r *receiver) count(at int64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at != 0 {
		r.tally.Late = append(r.tally.Late, now.Sub(time.Unix(0, at)))
	}
	if r.tally.Calls++; r.tally.Calls == r.wanted {
		r.tally.Last = now
		close(r.changed)
	}
}

// wait answers with the tally once there were ?calls= calls, or the time ?within= is over.
func (r *receiver) wait(w http.ResponseWriter, request *http.Request) {
	wanted, err := strconv.Atoi(request.URL.Query().Get("calls"))
	within, unreadable := time.ParseDuration(request.URL.Query().Get("within"))
	if err := errors.Join(err, unreadable); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	changed := make(chan struct{})
	r.wanted, r.changed = wanted, changed
	if r.tally.Calls >= wanted {
		close(changed)
	}
	r.mu.Unlock()
	select {
	case <-changed:
	case <-time.After(within):
	case <-request.Context().Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = 0
	if r.tally.Calls < wanted {
		r.tally.Last = time.Now()
	}
	json.NewEncoder(w).Encode(r.tally) // whoever asked has gone if this fails
}

func (r *receiver) forget(http.ResponseWriter, *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, r.wanted = tally{}, 0
}

// startReceiver starts this program again, as the receiver.
func startReceiver(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return begin(ctx, self, "-receive")
}

// awaitCalls returns the receiver's tally once it has had so many calls, or the time is over.
func awaitCalls(ctx context.Context, url string, calls int, within time.Duration) (tally, error) {
	ctx, cancel := context.WithTimeout(ctx, within+readyTime)
	defer cancel()
	var t tally
	err := get(ctx, fmt.Sprintf("%s/wait?calls=%d&within=%s", url, calls, within), &t)
	if err == nil && t.Calls == 0 {
		err = errors.New("the receiver was not called")
	}
	return t, err
}

func forgetCalls(ctx context.Context, url string) error { return get(ctx, url+"/forget", nil) }

func get(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
