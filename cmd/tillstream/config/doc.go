// Package config is the configuration: one tree of plain values, read from one strict YAML file and from the environment.
//
// A key's description stands in its field's doc tag, its unit in its type, its default in Default. `tillstream config print` and
// docs/configuration.md are made from them. Every key has an environment variable: TILLSTREAM_ and its path, with underscores, in
// capitals (kafka.session_timeout is TILLSTREAM_KAFKA_SESSION_TIMEOUT); lists are separated by commas. The environment wins.
package config
