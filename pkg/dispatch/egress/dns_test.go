package egress_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// nameserver answers for names as it is told: each lookup of a name gets the next of its answers, the last one again and
// again.
type nameserver struct {
	conn net.PacketConn

	mu    sync.Mutex
	names map[string][][]netip.Addr
	asked map[string]int // lookups of IPv4 addresses
}

func newNameserver(t *testing.T, names map[string][][]netip.Addr) *nameserver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &nameserver{conn: conn, names: names, asked: map[string]int{}}
	go s.serve()
	return s
}

// resolver asks the server and nobody else.
func (s *nameserver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", s.conn.LocalAddr().String())
	}}
}

func (s *nameserver) lookups(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *nameserver) serve() {
	packet := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		if answer := s.answer(packet[:n]); answer != nil {
			s.conn.WriteTo(answer, from)
		}
	}
}

// answer makes a message of RFC 1035, section 4, from one with one question.
func (s *nameserver) answer(q []byte) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	if len(q) < header {
		return nil
	}
	var labels []string
	at := header
	for at < len(q) && q[at] != 0 {
		end := at + 1 + int(q[at])
		if end >= len(q) {
			return nil
		}
		labels = append(labels, string(q[at+1:end]))
		at = end
	}
	if at += 5; at > len(q) { // the root's length, the type and the class
		return nil
	}
	kind := binary.BigEndian.Uint16(q[at-4:])
	addresses, known := s.next(strings.ToLower(strings.Join(labels, ".")), kind == typeA)
	a := append([]byte{}, q[:at]...)
	a[2], a[3] = 0x81, 0x80 // a response, recursion desired and available
	if !known {
		a[3] |= 3 // no such name
	}
	var records []byte
	count := uint16(0)
	for _, ip := range addresses {
		if ip.Is4() != (kind == typeA) || kind != typeA && kind != typeAAAA {
			continue
		}
		raw := ip.AsSlice()
		records = append(records, 0xc0, header)                // the question's name
		records = binary.BigEndian.AppendUint16(records, kind) // type
		records = append(records, 0, 1, 0, 0, 0, 0)            // class IN, no time to live
		records = binary.BigEndian.AppendUint16(records, uint16(len(raw)))
		records = append(records, raw...)
		count++
	}
	binary.BigEndian.PutUint16(a[6:], count)
	binary.BigEndian.PutUint16(a[8:], 0)
	binary.BigEndian.PutUint16(a[10:], 0)
	return append(a, records...)
}

func (s *nameserver) next(name string, counts bool) ([]netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ok := s.names[name]
	if !ok {
		return nil, false
	}
	n := s.asked[name]
	if counts {
		s.asked[name]++
	}
	return all[min(n, len(all)-1)], true
}

// answers are those of a name's lookups, one text each, with spaces between the addresses of one.
func answers(t *testing.T, texts ...string) [][]netip.Addr {
	t.Helper()
	var all [][]netip.Addr
	for _, text := range texts {
		var one []netip.Addr
		for _, field := range strings.Fields(text) {
			ip, err := netip.ParseAddr(field)
			if err != nil {
				t.Fatal(err)
			}
			one = append(one, ip)
		}
		all = append(all, one)
	}
	return all
}
