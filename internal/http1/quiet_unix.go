//go:build unix

package http1

import "syscall"

// quiet reports whether a socket, which does not block, has nothing to read and is not at its end.
func quiet(fd uintptr) bool {
	var b [1]byte
	for {
		n, err := syscall.Read(int(fd), b[:])
		if err == syscall.EINTR {
			continue
		}
		return n < 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
	}
}
