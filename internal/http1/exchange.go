package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

// lastWords is how long a connection whose answer has been read waits for the end of its request: one that is not read to the
// end cannot be used again.
const lastWords = 50 * time.Millisecond

// exchange is one request and its answer on a connection, and the answer's body.
type exchange struct {
	t       *Transport
	c       *conn
	ctx     context.Context
	stop    func() bool // the context no longer interrupts the connection; false if it has
	reader  *bufio.Reader
	written chan error // of a request that is written meanwhile; nil: it is written
	body    io.Reader
	keep    bool  // the connection can be used again once the body is read
	over    error // what Read returns from now on; nil: it goes on
}

func (t *Transport) exchange(r *http.Request, c *conn) (*http.Response, error) {
	x := &exchange{t: t, c: c, ctx: r.Context(), reader: t.reader(c), keep: t.Idle > 0}
	x.stop = context.AfterFunc(x.ctx, c.interrupt)
	response, err := x.do(r)
	if err != nil {
		err = ended(x.ctx, err)
		x.end(err)
		return nil, err
	}
	return response, nil
}

func (x *exchange) do(r *http.Request) (*http.Response, error) {
	x.c.left = x.t.maxHeader()
	unwritten := x.write(r)
	if cutOff(unwritten) {
		return nil, unwritten
	}
	response, err := x.answer(r)
	if err != nil {
		return nil, errors.Join(unwritten, err)
	}
	x.c.left = math.MaxInt64
	x.keep = x.keep && unwritten == nil && !response.Close && !r.Close && response.StatusCode >= 200
	if response.Body == http.NoBody {
		x.end(io.EOF)
	} else {
		x.body, response.Body = response.Body, x
	}
	return response, nil
}

// write writes the request, a long one while the answer is read.
func (x *exchange) write(r *http.Request) error {
	if x.t.Idle == 0 && !r.Close {
		closing := *r
		closing.Close = true
		r = &closing
	}
	if 0 <= r.ContentLength && r.ContentLength <= inline {
		return x.writeAll(r)
	}
	x.written = make(chan error, 1)
	go func() {
		err := x.writeAll(r)
		if cutOff(err) {
			x.c.interrupt()
		}
		x.written <- err
	}()
	return nil
}

// cutOff reports whether a request has not been written for another reason than its connection. Nobody will answer it;
// whoever has hung up may have answered before.
func cutOff(err error) bool {
	_, ofConnection := errors.AsType[*net.OpError](err)
	return err != nil && !ofConnection
}

func (x *exchange) writeAll(r *http.Request) error {
	w := x.t.writer(x.c.Conn)
	defer func() {
		w.Reset(nil)
		x.t.writers.Put(w)
	}()
	err := r.Write(w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	return nil
}

// answer reads the answer up to its body.
func (x *exchange) answer(r *http.Request) (*http.Response, error) {
	if x.t.Answer > 0 {
		late := time.AfterFunc(x.t.Answer, x.c.interrupt)
		defer func() { x.keep = late.Stop() && x.keep }()
	}
	for {
		response, err := http.ReadResponse(x.reader, r)
		if err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		// RFC 9110, section 15.2: any number of these may come first, and 101 is the only one that ends them.
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, nil
		}
	}
}

// Read reads the answer's body.
func (x *exchange) Read(p []byte) (int, error) {
	if x.over != nil {
		return 0, x.over
	}
	n, err := x.body.Read(p)
	if err == io.EOF {
		x.end(err)
	} else if err != nil {
		err = ended(x.ctx, err)
		x.end(err)
	}
	return n, err
}

// Close ends the exchange. Before the end of the body the connection is closed as well. It is not to be called while Read is.
func (x *exchange) Close() error {
	if x.over == nil {
		x.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

// end gives the connection back if the answer was read to its end, and else closes it. It is called once.
func (x *exchange) end(over error) {
	x.over = over
	alone := x.stop()
	silent := x.reader.Buffered() == 0 // else it says what nobody has asked for
	x.reader.Reset(nil)
	x.t.readers.Put(x.reader)
	if over == io.EOF && x.keep && alone && silent && x.allWritten() {
		x.t.idle.put(x.c, x.t.Idle, x.t.IdleFor)
		return
	}
	x.c.Close()
}

func (x *exchange) allWritten() bool {
	if x.written == nil {
		return true
	}
	select {
	case err := <-x.written:
		return err == nil
	case <-time.After(lastWords):
		return false
	}
}

func (t *Transport) reader(c *conn) *bufio.Reader {
	if r, ok := t.readers.Get().(*bufio.Reader); ok {
		r.Reset(c)
		return r
	}
	return bufio.NewReader(c)
}

func (t *Transport) writer(c net.Conn) *bufio.Writer {
	if w, ok := t.writers.Get().(*bufio.Writer); ok {
		w.Reset(c)
		return w
	}
	return bufio.NewWriter(c)
}
