// Package broken knows errors of connections that are broken.
package broken

import (
	"errors"
	"io"
	"strings"
	"syscall"
)

// Connection says whether an error is that of a connection which ended under way. What may be done twice is worth another try.
func Connection(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		err != nil && strings.Contains(err.Error(), "server closed idle connection") // net/http does not export it
}
