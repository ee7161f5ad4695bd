//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// group makes the command the head of a process group.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the group; it has ended already if this fails.
func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// suspend stops the group for a while, and resume ends that.
func suspend(pid int) error { return syscall.Kill(-pid, syscall.SIGSTOP) }

func resume(pid int) error { return syscall.Kill(-pid, syscall.SIGCONT) }
