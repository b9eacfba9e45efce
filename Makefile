# The two commands of the README are demo and test; each installs what it needs through go (and npm, maven for Kafka's jars).
.PHONY: demo build test test-kafka lint fmt docs bench fuzz simulate clean

# Packages where goroutines meet: tested with the race detector too.
RACED = ./processor ./processor/fetch ./sinks/kafka ./deploy/embedded

demo: build
	bin/tillstream demo

build:
	CGO_ENABLED=0 go build -trimpath -o bin/tillstream ./cmd/tillstream

test: lint
	go test -timeout 20m ./...
	go test -timeout 20m -race $(RACED)

# The pipeline again, with a real Apache Kafka (Java 17 and Maven needed) in place of the embedded one.
test-kafka:
	TILLSTREAM_TEST_KAFKA=real go test -timeout 20m -count 1 -run 'TestPipeline' ./cmd/tillstream

lint:
	@unformatted=$$(go tool gofumpt -l .); test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

fmt:
	go tool gofumpt -w .

docs:
	TILLSTREAM_WRITE_DOCS=1 go test -count 1 -run 'TestDocument' ./cmd/tillstream/config

bench:
	go test -run '^$$' -bench . -benchmem ./processor/...

FUZZTIME = 5s
fuzz:
	go test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./processor/event
	go test -run '^$$' -fuzz FuzzMaskPANs -fuzztime $(FUZZTIME) ./processor/event
	go test -run '^$$' -fuzz FuzzWalk -fuzztime $(FUZZTIME) ./processor/fetch

simulate: build
	bin/tillstream simulate --out simulated.jsonl.zst --truth simulated-truth.json

clean:
	rm -rf bin tillstream-data
