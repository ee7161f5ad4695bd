package http1

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func unused(t *testing.T, to address) *conn {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return &conn{Conn: a, to: to}
}

func closed(c *conn) bool { return c.SetDeadline(time.Time{}) != nil }

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var i idle
		a, b := address{host: "a", port: "80"}, address{secure: true, host: "a", port: "80"}
		first, second, third := unused(t, a), unused(t, b), unused(t, a)
		for _, c := range []*conn{first, second, third} {
			i.put(c, 2, 4*time.Second)
			time.Sleep(time.Second)
		}
		if !closed(first) || closed(second) || closed(third) {
			t.Error("of two the one unused for longest is not the one that went")
		}
		if i.take(a) != third || i.take(a) != nil {
			t.Error("what was put last is not taken first")
		}
		i.put(third, 2, 4*time.Second)
		time.Sleep(2 * time.Second) // second's four are over
		synctest.Wait()
		if !closed(second) || closed(third) {
			t.Error("what has been unused for four seconds is not what was closed")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !closed(third) || i.timer != nil || i.take(a) != nil {
			t.Error("there is something left")
		}
		again := unused(t, a)
		i.put(again, 2, 4*time.Second)
		time.Sleep(3 * time.Second)
		if i.clear(); !closed(again) || i.take(a) != nil {
			t.Error("not all are closed")
		}
		last := unused(t, a)
		i.put(last, 2, 4*time.Second)
		time.Sleep(3 * time.Second)
		if i.take(a) != last {
			t.Error("the time of one closed before counts for the next")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if closed(last) {
			t.Error("what is in use is closed")
		}
	})
}
