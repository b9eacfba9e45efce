// Package realalertmanager runs Prometheus' Alertmanager, the real one, for tests that must not rest on what a fake does. Its source comes through the Go
// module proxy, so that nothing need be installed and our own go.mod does not grow; it is built once, into the user's cache, without its web pages.
//
// It is for tests only: one node, loopback.
package realalertmanager
