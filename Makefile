# berth: build, prove, measure. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT := golangci-lint@v2.5.0
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## build bin/berth
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/berth ./cmd/berth

.PHONY: demo
demo: build ## the main job on a throw-away repository with fresh keys
	@command -v sops || { echo 'building the sops command: minutes the first time'; \
	  go build -o bin/sops github.com/getsops/sops/v3/cmd/sops; }
	./examples/demo.sh

.PHONY: test
test: lint ## everything that needs no cluster
	go test -race -timeout 30m ./...
	go test -run RandomFaults ./gitrepo -schedules=300   # random faults between writers and server
	go test -run EveryByte ./sops   # every byte of a seal; too slow with the race detector
	go test -count=1 ./internal/imports

.PHONY: lint
lint: bin/$(GOLANGCI_LINT) ## golangci-lint, with the rules of .golangci.yml
	bin/$(GOLANGCI_LINT) run ./...

bin/$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/$(GOLANGCI_LINT)
	mv bin/golangci-lint $@

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

.PHONY: bench
bench: build ## side by side with the shell pipeline; results as ratios
	cd bench && go run . 

.PHONY: e2e
e2e: ## the real control plane: etcd, Kubernetes, Flux, a registry
	cd e2e && go run ./cmd/components && go test -p 1 -count=1 -timeout 55m ./...

.PHONY: e2e-up
e2e-up: ## start the real control plane and leave it running
	cd e2e && go run ./cmd/components && go run ./cmd/up
