// Package kafka is the way to Kafka that the whole program shares: the client and how it logs in, the topics and whether they fit together,
// and what is written there, dead letters and ingested events.
package kafka
