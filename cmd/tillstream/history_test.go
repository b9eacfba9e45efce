package main

import (
	"testing"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

// A first start on more history than the window of late evidence: that no topic runs ahead of another, the truth says.
func TestPipelineHistory(t *testing.T) {
	r := newRig(t, 3, func(c *simulator.Config) {
		c.Start, c.Stores, c.Mistyped = c.End.Add(-84*time.Hour), 4, 0
	})
	r.env = []string{"TILLSTREAM_PROCESSOR_BATCH_RECORDS=5000"}
	r.feed(1)
	r.start()
	r.settle()
}
