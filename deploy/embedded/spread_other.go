//go:build !linux

package embedded

// Spread does nothing: it is for ext4.
func Spread(string) {}
