package main

import (
	"fmt"
	"syscall"
	"time"
)

// ownCPU returns the CPU time that this process has taken, without its children's.
func ownCPU() (time.Duration, error) {
	process, err := syscall.GetCurrentProcess()
	var created, ended, kernel, user syscall.Filetime
	if err == nil {
		err = syscall.GetProcessTimes(process, &created, &ended, &kernel, &user)
	}
	if err != nil {
		return 0, fmt.Errorf("reading this process's CPU time: %w", err)
	}
	const tick = 100 // ns
	return tick * time.Duration(int64(kernel.HighDateTime+user.HighDateTime)<<32+int64(kernel.LowDateTime)+int64(user.LowDateTime)), nil
}
