//go:build !linux

package main

// The others send signals, and take room, as Linux does.
func parts() []part { return []part{{"kill", 200, kill}} }
