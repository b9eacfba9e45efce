// Package doctor judges a whole set-up: Kafka, ClickHouse, the consumer group, the registry, the configuration. It asks nobody: Facts are gathered by the caller, Examine says of
// each thing that matters whether it is right, and what to do where it is not.
package doctor
