// Package realkafka runs Apache Kafka, the real one, for tests that must not rest on what a fake does. There is no container and nothing to
// install but Java 17 and Maven: the jars come through Maven once, into the user's cache, and one process is broker and controller.
//
// It is for tests only: one node, no replication, no encryption, loopback.
package realkafka
