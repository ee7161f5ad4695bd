package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between a client and a server, and in bad weather does to what passes what networks do.
type proxy struct {
	listener net.Listener
	to       string
	bad      atomic.Bool

	mu     sync.Mutex
	chance *rand.Rand

	cut, delayed, truncated, late atomic.Int64
}

const (
	chunk    = 16 << 10
	dialTime = time.Second
	// longDelay is more than the functions wait for an answer: what was asked is done all the same.
	longDelay = 7 * time.Second
)

func newProxy(to string, seed uint64) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	p := &proxy{listener: l, to: to, chance: rand.New(rand.NewPCG(seed, 1))}
	go p.run()
	return p, nil
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

func (p *proxy) run() {
	for {
		in, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go func() {
			out, err := net.DialTimeout("tcp", p.to, dialTime)
			if err != nil {
				in.Close()
				return
			}
			var both sync.WaitGroup
			both.Go(func() { p.pass(in, out) })
			both.Go(func() { p.pass(out, in) })
			both.Wait()
		}()
	}
}

// pass hands on what one side says, until one of them is gone, or the weather ends it.
func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, chunk)
	for {
		n, err := from.Read(b)
		if n > 0 {
			part, ends := p.weather(n)
			if _, failed := to.Write(b[:part]); failed != nil || ends {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// weather says how much of a chunk arrives, and whether the connection ends then. It may take its time.
func (p *proxy) weather(n int) (part int, ends bool) {
	if !p.bad.Load() {
		return n, false
	}
	p.mu.Lock()
	dice, share, wait := p.chance.IntN(100), p.chance.IntN(n), time.Duration(p.chance.Int64N(int64(300*time.Millisecond)))
	p.mu.Unlock()
	switch {
	case dice < 5:
		p.cut.Add(1)
		return 0, true
	case dice < 10:
		p.truncated.Add(1)
		return share, true
	case dice < 11:
		p.late.Add(1)
		time.Sleep(longDelay)
	case dice < 40:
		p.delayed.Add(1)
		time.Sleep(wait)
	}
	return n, false
}
