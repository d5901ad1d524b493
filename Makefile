# make run      builds the server and starts it
# make check    what needs Go alone: gofmt, go vet, the build and the short tests, about two minutes
# make test     everything, on a fresh Debian machine with Go: installs the tools that it lacks first
# make demo     builds the server and starts it as a gateway in front of itself
# make help     the other targets

SHELL := /bin/bash
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# For `gatewheel --version` and the manual page.
VERSION  ?= $(shell .ci/version)
COMMIT   := $(shell .ci/version --commit)
DATE     := $(shell .ci/version --date)
FUZZTIME ?= 30s
# Flags of `make bench`, for example: make bench BENCH='-case h1 -rounds 5 -duration 3s'
BENCH    ?=
# Flags of `make bench-growth`, for example: make bench-growth GROWTH='-out docs/growth -page docs/scale.md'
GROWTH   ?=
# How long `make microbench` runs each.
BENCHTIME ?= 200ms
# Time of `make soak`, for example: make soak SOAK=1h
SOAK     ?= 10m
# Its further flags, for example: make soak SOAKFLAGS='-seed 7 -rate 300 -max-cpu 0'
SOAKFLAGS ?=

.PHONY: help build dist run demo check test tools lint conform nested poison unit race fuzz long rollout soak bench bin/bench bench-quick bench-compare bench-growth microbench clean

help:
	@echo 'build    bin/gatewheel, static'
	@echo 'dist     archives and Debian packages for amd64 and arm64, with checksums and SBOMs, in dist'
	@echo 'run      build, then serve on 127.0.0.1:8080'
	@echo 'demo     build, then a gateway on 127.0.0.1:8080 in front of the built-in application'
	@echo 'check    gofmt, go vet, the build and the short tests: needs Go alone, takes about two minutes'
	@echo 'test     tools, lint, conform, the nested modules, the unit tests, and those again with -race'
	@echo 'poison   the tests of those who borrow bytes, with borrowed bytes overwritten'
	@echo 'race     the unit tests with the race detector'
	@echo 'fuzz     each fuzz target for FUZZTIME (30s)'
	@echo 'long     tests that take minutes: servers that close and restart, twenty restarts under load, clients that stop reading, files that change, a gRPC stream, each case of the bench'
	@echo 'soak     every protocol, faulty clients, reloads, stalls and restarts for SOAK (10m); the report goes to bin/soak.md'
	@echo 'rollout  a rollout with the times of Kubernetes: the list of servers changes 2 s after SIGTERM'
	@echo 'conform  h2spec in strict mode against the binary, and the tests of Go'"'"'s net/http against app/nethttp'
	@echo 'bench    CPU time a request and memory a connection, compared with other servers, in about an hour (BENCH=flags);'
	@echo '         report and plots are in bin/bench-report'
	@echo 'bench-quick    the most important cases, within five minutes'
	@echo 'microbench     the protocol machines and app alone, with allocations, BENCHTIME (200ms) each'
	@echo 'bench-compare  this tree compared with another revision (BASE=REVISION)'
	@echo 'bench-growth   how cost grows with connections, streams, routes, peers, loops, within six minutes (GROWTH=flags);'
	@echo '         report and plots are in bin/growth-report'
	@echo 'lint     gofmt, go vet, staticcheck'

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.commitDate=$(DATE)' -o bin/gatewheel ./cmd/gatewheel

dist:
	@.ci/dist

run: build
	bin/gatewheel serve

demo: build
	bin/gatewheel gateway --config examples/gateway/smallest.yaml

check:
	@.ci/check

tools:
	@.ci/tools

lint: tools
	.ci/lint

conform: tools build
	.ci/conform

# The modules beside the main one: what they need stays out of the main go.mod.
nested: tools build
	@set -e; for module in $$(.ci/modules --nested); do \
		echo "go test ./... in $$module"; \
		(cd $$module && $(CURDIR)/.ci/gotest ./...); \
	done

# Borrowed bytes are overwritten when their time is over: what still reads them fails here. The stages unit and race run
# all tests; this one leaves out those that take seconds and are about time, memory or numbers of connections.
TIMED := Backpressure|TenThousandIdleConnections|UploadsShareTheRate|ContentRateCountsOnlyThePeer|ContentAboveTheRateArrives
TIMED := $(TIMED)|ReadersAboveTheRateGetAll|SlowWindows|LimitsActInTime|IdleLoopKnowsTheTime|HalfClosedTimeoutSparesReaders
TIMED := $(TIMED)|RunWithADrainDelay|DrainLosesNoRequest|DrainEndsOldSilenceAtOnce|DrainEndsOldConnectionsAtOnce|DrainEndsSilentSockets
poison: tools
	.ci/gotest -short -tags=poison -skip='^Test($(TIMED))$$' ./h1 ./h2 ./ws ./app/server

# The packages whose tests last longest come first, so that the others run at the same time.
LONGEST := ./cmd/gatewheel ./app/server

unit: tools
	.ci/gotest $(LONGEST) ./...

race: tools
	.ci/gotest -race $(LONGEST) ./...

# The races come last: continuous integration reads the closing lines of go test.
test:
	@.ci/tools
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory conform
	@$(MAKE) --no-print-directory nested
	@$(MAKE) --no-print-directory poison
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory race

fuzz:
	FUZZTIME=$(FUZZTIME) .ci/fuzz

long: tools
	cd app/gateway/interop && RACE_TIME=1m go test -count 1 -v -run 'IdleRaces|Goaway|Restarts' .
	RESTARTS=20 go test -count 1 -v -run RestartsUnderLoad ./cmd/gatewheel
	RELOAD_TIME=1m go test -count 1 -v -run ReloadsUnderLoad ./cmd/gatewheel
	SLOW_PEERS=15000 go test -count 1 -v -run UnderSlowPeers ./cmd/gatewheel
	STOPPED_READERS=1000 go test -count 1 -v -run StopReading ./app/gateway/conformance
	cd app/nethttp/interop && STREAM_TIME=1m go test -count 1 -v -run GRPCLastingStream .
	cd bench && BENCH_CASES=all go test -count 1 -timeout 60m -run EachKindOfCase .

soak: build
	cd internal/soak && go run ./cmd/soak -program ../../bin/gatewheel -duration $(SOAK) -markdown ../../bin/soak.md -json ../../bin/soak.json $(SOAKFLAGS)

rollout:
	ROLLOUT=5s go test -count 1 -v -run Rollout ./cmd/gatewheel

bin/bench: build
	cd bench && CGO_ENABLED=0 go build -trimpath -o ../bin/bench .

bench: tools bin/bench
	bin/bench -gatewheel bin/gatewheel -out bin/bench-report $(BENCH)

bench-quick: tools bin/bench
	bin/bench -gatewheel bin/gatewheel -out bin/bench-report -quick $(BENCH)

microbench:
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./h1 ./h2 ./ws ./app ./app/websocket ./app/nethttp ./app/gateway ./app/client ./reactor

bench-compare: tools bin/bench
	.ci/bench-compare "$(BASE)" $(BENCH)

bench-growth: tools bin/bench
	bin/bench growth -gatewheel bin/gatewheel $(GROWTH)

clean:
	rm -rf bin dist
