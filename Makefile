.DEFAULT_GOAL := help
export CGO_ENABLED := 0

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run the main job on this machine: needs only Go
	@go run ./cmd/dispatch demo

.PHONY: test
test: ## pass the tests: the engine, both stores (DynamoDB Local needs Java and Maven), the functions' handlers
	@go vet ./...
	@go test ./...
	@{ java -version && mvn -version; } >/dev/null 2>&1 || echo 'left out: all tests on DynamoDB Local, of its store, the functions and the command line: they need Java 17 and Maven'

.PHONY: hostile
hostile: ## try hostile URLs, names, headers, inputs, tokens and requests, and print how many (docs/security.md)
	@out=$$(go test -count=1 -v -run 'Hostile|Rebinding|Registries|NothingShows|TestVerify|TestReplays' ./pkg/dispatch ./pkg/dispatch/egress ./pkg/dispatch/signature ./cmd/dispatch ./cmd/dispatch/internal/server); code=$$?; \
		echo "$$out" | grep -E 'hostile:|^ *--- FAIL|^FAIL|^ok'; exit $$code

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities in what is called (needs https://vuln.go.dev)
	@go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./...

SEEDS ?= 10000
.PHONY: simulate
simulate: ## simulate SEEDS=10000 runs with faults; of one that breaks the promise tell the shortest story (docs/reliability.md)
	@go test ./internal/simulate -count=1 -timeout=0 -v -run 'TestSimulate|TestSQLite' -seeds=$(SEEDS) -files=$$(($(SEEDS) / 10))

.PHONY: build
build: ## build the command line into bin/
	@go build -trimpath -o bin/dispatch ./cmd/dispatch

.PHONY: functions
functions: ## build the functions for AWS into .aws-sam/ (needs the AWS SAM CLI); then: sam deploy --config-env deploy
	@GOFLAGS='-trimpath -tags=lambda.norpc -ldflags=-s -buildvcs=false' sam build --config-env deploy

.PHONY: zips
zips: ## build the functions as zips for other tools into dist/, the same bytes wherever they are built (ARCH=x86_64)
	@go run ./internal/zips -arch $(or $(ARCH),arm64)

.PHONY: local
local: ## run the functions on this machine under SAM (needs Docker, the AWS SAM CLI, Java and Maven); Ctrl-C stops
	@go run ./functions/internal/local

.PHONY: bench
bench: ## measure speed in one table, under four minutes (ARGS=-short: a quick look; ARGS=-json: for programs)
	@go run ./internal/bench $(ARGS)

.PHONY: bench-check
bench-check: ## fail if speed or writes are far from the recorded baseline, in about a minute (ARGS=-record: record it, on a quiet machine)
	@go run ./internal/bench -check $(ARGS)

.PHONY: plots
plots: ## plot speed over what a store holds, up to 5,000,000 tasks, in twelve minutes (ARGS=-short: to 100,000; ARGS=-draw: from docs/plots/*.json)
	@go run ./internal/bench -growth $(ARGS)

.PHONY: bench-tenants
bench-tenants: ## measure how late one tenant's tasks are beside another's flood, in two minutes (ARGS=-short: a quick look)
	@go run ./internal/bench -only tenants $(ARGS)

.PHONY: bench-peers
bench-peers: ## measure beside River on PostgreSQL and Asynq on Redis, in about twelve minutes (ARGS=-short: a quick look)
	@cd bench && go run . $(ARGS)

.PHONY: bench-lambda
bench-lambda: ## measure the built functions as on Lambda: sweeps, a backlog, lateness, cold starts; eleven minutes (ARGS='-short -only sweep')
	@go run ./internal/bench -only sweep,backlog,ontime,cold $(ARGS)

.PHONY: dollars
dollars: ## count what a million delivered tasks cost on AWS, by list prices, in minutes (needs Java; ARGS=-short: a quick look)
	@go run ./internal/dollars $(ARGS)

.PHONY: kill
kill: ## do to the running programs what the world does: kill, stop, cut, fill the disk; a quarter of an hour (ARGS='-cycles 20 kill')
	@go run ./internal/soak $(ARGS)

.PHONY: overload
overload: ## put more on the server than it can do, in about seven minutes (ARGS=-short: a quick look), and print what it did
	@out=$$(go test -count=1 -v -timeout 10m -run 'TestAReceiverBackAfterAnHour|TestHandleAtItsConcurrency' ./cmd/dispatch/internal/engine ./pkg/dispatch); code=$$?; \
		echo "$$out" | grep -E 'overload:|^ *--- FAIL|^FAIL|^ok'; \
		go run ./internal/overload $(ARGS) && exit $$code

.PHONY: soak
soak: kill overload ## both of these, and a round trip of 100,000 tasks by export and import (docs/reliability.md)
	@ROUND_TRIP_TASKS=100000 go test -count=1 -timeout 20m -run 'TestRoundTrip$$' ./cmd/dispatch/internal/transfer
