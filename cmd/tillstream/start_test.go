package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
)

// A connection that is cut while the program starts does not end it; whatever else goes wrong is said at once.
func TestPersistently(t *testing.T) {
	reset := fmt.Errorf("reading: %w", syscall.ECONNRESET)
	refused := errors.New("wrong password")
	for name, c := range map[string]struct {
		answers []error
		tries   int
		want    error
	}{
		"no trouble":     {[]error{nil}, 1, nil},
		"cut twice":      {[]error{reset, reset, nil}, 3, nil},
		"refused":        {[]error{refused}, 1, refused},
		"cut, refused":   {[]error{reset, refused}, 2, refused},
		"not taken once": {[]error{fmt.Errorf("dialing: %w", syscall.ECONNREFUSED), nil}, 2, nil},
		"cut every time": {[]error{reset, reset, reset, reset, reset, reset}, 5, reset},
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			err := persistently(t.Context(), func() error {
				tries++
				return c.answers[tries-1]
			})
			if !errors.Is(err, c.want) || tries != c.tries {
				t.Errorf("%s: %v after %d tries, want %v after %d", name, err, tries, c.want, c.tries)
			}
		})
	}
}
