// Command bench measures what this project promises about speed, prints one table, and ends by itself.
//
//	go run ./internal/bench            everything, under four minutes
//	go run ./internal/bench -short     a quick look with less of everything, about 20 seconds
//	go run ./internal/bench -only drain,claim
//	go run ./internal/bench -only tenants   one tenant's lateness beside another's flood: make bench-tenants
//	go run ./internal/bench -only sweep,backlog,ontime,cold   the built functions, as on Lambda: make bench-lambda
//	go run ./internal/bench -check          ratios beside the recorded ones, as a guard: make bench-check
//	go run ./internal/bench -growth         speed over what a store holds, plotted: make plots
//	go run ./internal/bench -json      for programs
//
// The server is a process of its own, and so is the receiver: this program, started again. All of it stays on
// loopback and in a temporary folder. Figures depend on the machine and on what else it does; what is
// compared is measured in the same run, one beside the other, and given as a ratio.
//
// The built functions run in SAM's runtime emulator, as processes of this machine, with the share of a CPU that their
// memory would get them. What they ask of DynamoDB and of Lambda's API is answered by package cloud, by TLS, after 5 and 15
// ms. Of a backlog, handle is played: 110 ms a run, a thousand runs side by side, and a thousand tasks a second that leave a
// lane, which is what the writes of one partition of the index are. Reads of the table are not limited.
package main
