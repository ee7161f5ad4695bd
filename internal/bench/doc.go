// Command bench measures what this project promises about speed, prints one table, and ends by itself.
//
//	go run ./internal/bench            everything, under four minutes
//	go run ./internal/bench -short     a quick look with less of everything, about 20 seconds
//	go run ./internal/bench -only drain,claim
//	go run ./internal/bench -only tenants   one tenant's lateness beside another's flood: make bench-tenants
//	go run ./internal/bench -check          ratios beside the recorded ones, as a guard: make bench-check
//	go run ./internal/bench -json      for programs
//
// The server is a process of its own, and so is the receiver: this program, started again. All of it stays on
// loopback and in a temporary folder. Figures depend on the machine and on what else it does; what is
// compared is measured in the same run, one beside the other, and given as a ratio.
package main
