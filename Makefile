# The two commands of the README are demo and test; each installs what it needs, through go, npm (the ClickHouse engine) and Maven (Kafka).
.PHONY: demo build test test-kafka test-console test-registry test-chart test-alerts test-oldest vulnerabilities workflows reproducible lint fmt docs site bench fuzz slip keys simulate endurance scale queries bench-peers clean
SHELL = /bin/bash
.SHELLFLAGS = -eu -o pipefail -c

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
TIMEOUT = 1h

# Packages where goroutines meet: tested with the race detector. It needs a C compiler, which go env knows of.
RACED = ./processor ./processor/alert ./processor/fetch ./sinks/alertmanager ./sinks/certs ./sinks/kafka ./console/login ./internal/renewed ./deploy/embedded
# What in ./processor is of one goroutine and is reckoned, or measured, minutes long with the race detector: tested without it.
ALONE = ^Test(Shuffling|EventsCost|BatchesTake|FoldingASale)
# Tests that take TILLSTREAM_TEST_KAFKA=real, and where they are.
KAFKA_TESTS = ^TestPipeline(Fault|Truth|Shuffled|RealData|MembersComeAndGo|LanesChange|Alerts)
# Of these, what takes minutes and is the same on the embedded Kafka: tested with the real one only.
FAULT_TESTS = ^TestPipelineFault
# What `make test` leaves out. CI gives $(KAFKA_TESTS), which it runs with the real one.
SKIP = $(FAULT_TESTS)
KAFKA_PACKAGES = ./cmd/tillstream

# As .goreleaser.yaml builds it.
RELEASE = CGO_ENABLED=0 go build -buildvcs=true -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

demo: build
	bin/tillstream demo

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/tillstream ./cmd/tillstream

# What go vet says lint has said of all of it.
test: lint
ifeq ($(shell go env CGO_ENABLED),1)
	go test -vet=off -timeout $(TIMEOUT) -race -skip '$(ALONE)' $(RACED)
	go test -vet=off -timeout $(TIMEOUT) -run '$(ALONE)' ./processor
	go test -vet=off -timeout $(TIMEOUT) -skip '$(SKIP)' $$(go list ./... | grep -vxF "$$(go list $(RACED))")
else
	@echo "no C compiler here: $(RACED) are tested without the race detector"
	go test -vet=off -timeout $(TIMEOUT) -skip '$(SKIP)' ./...
endif

# The pipeline again, with a real Apache Kafka (Java 17 and Maven needed) in place of the embedded one, and a real Alertmanager, built once through Go.
test-kafka:
	TILLSTREAM_TEST_KAFKA=real go test -vet=off -timeout $(TIMEOUT) -count 1 -run '$(KAFKA_TESTS)' $(KAFKA_PACKAGES)
	go test -vet=off -timeout $(TIMEOUT) -count 1 -tags realkafka ./deploy/embedded/realkafka

# The console in a real browser, with an accessibility checker: needs Chromium (CHROMIUM=/path) and npm. Not part of the tests, which have no browser.
CHROMIUM = $(shell command -v chromium || command -v google-chrome || echo chromium)
test-console:
	cd console/browser && npm ci --silent --no-fund --no-audit
	go test -timeout $(TIMEOUT) -count 1 -tags browser -run '^TestBrowser$$' ./console -chromium $(CHROMIUM)

# Schemas against a real registry, Apicurio with Confluent's API: needs Java 17 and Maven. Not part of the tests: it takes a minute to start.
test-registry:
	go test -timeout $(TIMEOUT) -count 1 -tags realregistry -run '^TestRealRegistry$$' ./processor/format

# The Helm chart, rendered by Helm's own library, which is a module of its own: not part of test.
test-chart:
	cd deploy/helm/check && go test -count 1 ./...

# The alerts on tillstream itself, evaluated by Prometheus: which fire in a recorded run and in made ones, and which do not. It builds promtool, which takes minutes once.
test-alerts:
	go run github.com/prometheus/prometheus/cmd/promtool@v0.316.0 test rules deploy/prometheus/alerts.test.yaml

# Tables, views and the users' queries with the oldest ClickHouse that is promised, in one process of Python: 1 GB of wheels, so it is not part of the tests.
test-oldest:
	python3 -m venv bin/oldest
	bin/oldest/bin/pip install --quiet chdb==3.7.2 pyarrow==26.0.1 pandas==3.1.1
	bin/oldest/bin/python schemas/clickhouse/oldest.py

# Known vulnerabilities in what the program calls. It asks vuln.go.dev.
vulnerabilities:
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

# The workflows of .github. Their programs come through Go, and are no part of the module.
workflows:
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# A commit gives the same bytes wherever it is built: two clones in two folders, the second with nothing of what the first has compiled. Minutes.
reproducible:
	@at=$$(mktemp -d); trap 'rm -rf "$$at"' EXIT; \
	git clone -q . "$$at/one"; git clone -q . "$$at/an/other"; \
	(cd "$$at/one" && $(RELEASE) -o "$$at/1" ./cmd/tillstream); \
	(cd "$$at/an/other" && GOCACHE="$$at/cache" $(RELEASE) -o "$$at/2" ./cmd/tillstream); \
	sha256sum "$$at/1" "$$at/2"; cmp "$$at/1" "$$at/2" && echo "the same bytes"

lint:
	@unformatted=$$(go tool gofumpt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	go vet -tags realkafka ./...
	go tool staticcheck -tags realkafka ./...

fmt:
	go tool gofumpt -w .

# What is generated from code: docs/configuration.md and the printed defaults, docs/metrics.md, the dashboards. A test fails where they are stale.
docs:
	TILLSTREAM_WRITE_DOCS=1 go test -count 1 -run '^Test(GeneratedFilesAreCurrent|MetricsAreDocumented)$$' ./cmd/tillstream ./cmd/tillstream/config ./deploy/grafana

# The documentation as pages for a browser, in bin/site. It needs no network; run and demo show the same at /docs/.
site: build
	rm -rf bin/site
	bin/tillstream docs bin/site

bench:
	go test -run '^$$' -bench . -benchmem ./...

# The instructions that events take, compared with the parent commit: nothing may become dearer unseen. See docs/performance.md.
slip:
	go run ./bench/slip

# Ten million different products, and as many customers, through a lane that waits for its writer: does it hold no more than its share of memory? Minutes.
keys:
	go test -tags measure -count 1 -timeout 0 -v -run '^TestMeasureKeys$$' ./processor

# Every fuzz target of the repository for so many runs each: with a time in place of a number Go fails now and then at its end (go.dev/issue/75804).
FUZZTIME = 20000x
# What inputs lead through is built as go test -fuzz builds it. That would build so all else they are linked with, too: for the configuration a client of Kafka and Bloblang.
FUZZED = github.com/tillstream/tillstream/... go.yaml.in/yaml/... github.com/klauspost/compress/... github.com/pierrec/lz4/...
fuzz:
	@at=$$(mktemp -d); trap 'rm -rf "$$at"' EXIT; cache=$$(go env GOCACHE)/fuzz/$$(go list -m); \
	targets=$$(grep -rnoE --include='*_test.go' '^func Fuzz\w+' . | sed -E 's|/[^/]+:[0-9]+:func | |' | sort); \
	go test -c -vet=off $(FUZZED:%=-gcflags=%=-d=libfuzzer) -o "$$at/" $$(cut -d ' ' -f 1 <<< "$$targets" | uniq); \
	while read -r package target; do echo "$$target in $$package"; (cd "$$package" && \
		"$$at/$${package##*/}.test" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 100x -test.fuzzcachedir "$$cache/$$package" < /dev/null); \
	done <<< "$$targets"

# Real processors against models of Kafka and ClickHouse that fail by the seed; see processor/simulation. A failing seed is shrunk.
SEEDS = 1000
SEED = 1
simulate:
	go test -count 1 -timeout 24h -v -run '^TestNoSeed' ./processor/simulation -seeds $(SEEDS) -seed $(SEED)

# Load and faults for a while; not part of the tests. RATE is events a second. With TILLSTREAM_TEST_KAFKA=real on an Apache Kafka.
MINUTES = 20
RATE = 2000
endurance:
	ENDURANCE_MINUTES=$(MINUTES) ENDURANCE_RATE=$(RATE) ENDURANCE_SEED=$(SEED) go test -tags endurance -timeout 0 -count 1 -v -run '^TestEndurance$$' ./cmd/tillstream

# What a big chain of heartbeats takes: memory a till with two full days, then Kafka, the processor and ClickHouse on this machine. See docs/scale.md.
TILLS = 1000000
AGE = 40s
scale:
	go test -tags measure -count 1 -timeout 0 -v -run '^TestMeasureHeartbeats$$' ./processor -age $(AGE)
	go test -tags measure -count 1 -timeout 0 -v -run '^TestMeasureScale$$' ./cmd/tillstream -terminals $(TILLS) -minutes $(MINUTES) -age $(AGE)

# The users' queries on a year of a chain, and docs/queries.md of it. SALES are those of a store and day; 40 take ten minutes on an idle machine of two cores.
STORES = 500
SALES = 40
queries:
	go test -tags measure -count 1 -timeout 0 -v -run '^TestMeasureYear$$' ./schemas/clickhouse -stores $(STORES) -sales $(SALES)

# tillstream beside what one could take instead, on an idle machine of two cores, and docs/benchmarks.md of it. Java 17 and Maven are needed. An hour
# and a half; with BENCH=-short below ten minutes. bin/bench -help shows what else there is.
BENCH =
bench-peers: build
	mvn -q -B --strict-checksums -f bench/java package
	cd bench/benthos && CGO_ENABLED=0 go build -trimpath -o ../../bin/bench-benthos .
	CGO_ENABLED=0 go build -trimpath -o bin/bench ./bench
	bin/bench -root . $(BENCH)

clean:
	rm -rf bin tillstream-data
