//go:build !measure

package main

func profiled() {}
