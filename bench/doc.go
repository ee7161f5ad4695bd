// Command bench measures dispatch's embedded engine on SQLite beside River on PostgreSQL and Asynq on Redis, on this
// machine and in one run, and prints how they compare. It is a module of its own, so that what it needs stays out of the
// product's; of the product it uses what it builds in the folder above: the command, and internal/bench, which has the
// receiver that all of them call and the program that embeds enqueue.
//
//	make bench-peers                                 everything, about twelve minutes
//	make bench-peers ARGS=-short                     a quick look, about two
//	make bench-peers ARGS='-only dispatch,river -concurrency 200,500'
//
// It finds postgres, initdb and redis-server on the PATH, or where Debian keeps PostgreSQL's programs, starts its own
// private ones on Unix sockets in a temporary folder, and ends them. Where one is missing it says so and measures the
// others. It reads /proc, so it needs Linux.
//
// All do the same: POST the same 300 bytes by net/http, with enough idle connections; 2xx ends a task, anything else
// is tried again; what is acknowledged is on the disk. Each is at its best: for each the concurrency is found by trying;
// River fetches every 2 ms, over a pool of 50 connections; Asynq is ten servers in one process, because each has one
// fetch loop, and looks for tasks every 2 ms; GOGC is 400 for all. PostgreSQL (but for max_connections, 200) and
// Redis have their defaults otherwise.
// River and Asynq do not sign: their handlers make a token of the same claims as dispatch's with golang-jwt.
package main
