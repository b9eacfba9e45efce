//go:build !linux

package embedded

import "errors"

func spread(string) error { return errors.ErrUnsupported }
