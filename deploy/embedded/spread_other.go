//go:build !linux

package embedded

import "errors"

// Spread is for Linux.
func Spread(string) error { return errors.ErrUnsupported }
