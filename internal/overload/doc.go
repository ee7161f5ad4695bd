// Command overload puts more on the server than it can do, and prints in one table what it then did.
//
//	go run ./internal/overload                  every case, about six minutes
//	go run ./internal/overload -short           less of everything, about two minutes
//	go run ./internal/overload -only hang,outage
//	go run ./internal/overload -scale 1 -only outage   an hour that is an hour
//
// The server is dispatch serve, a process of its own with a new file in a temporary folder; the receivers are in this
// program, on loopback. Where a promise is broken the program's exit code is 1. Promises are about what happened, and
// about times only as ratios between two that were taken in the same run. docs/reliability.md tells of each case.
package main
