package format

import (
	"testing"

	"github.com/tillstream/tillstream/processor/event"
)

// Bodies are the readers of the events that come seldom.
func Bodies(testing.TB) map[string]func([]byte) (any, *event.Rejection) { return options().Bodies }
