package server

import (
	"net"
	"net/http"
	"sync"
)

// unused are the connections on which no request has begun. Clients open some in vain, and [http.Server.Shutdown] would wait for
// each until it is five seconds old.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// note is told what becomes of each connection.
func (u *unused) note(c net.Conn, is http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if is != http.StateNew {
		delete(u.conns, c)
		return
	}
	if u.conns == nil {
		u.conns = map[net.Conn]struct{}{}
	}
	u.conns[c] = struct{}{}
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		c.Close()
	}
}
