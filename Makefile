.DEFAULT_GOAL := help
export CGO_ENABLED := 0

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run the main job on this machine: needs only Go
	@go run ./cmd/dispatch demo

.PHONY: test
test: ## pass the tests: the engine, both stores (DynamoDB Local needs Java and Maven), the functions' handlers
	@go vet ./...
	@go test ./...

.PHONY: build
build: ## build the command line into bin/
	@go build -trimpath -o bin/dispatch ./cmd/dispatch
