//go:build measure

package clickhouse

import (
	"os"
	"testing"
	"time"
)

func TestScratchServe(t *testing.T) {
	conn := fresh(t)
	if os.Getenv("FILL") != "" {
		fillYear(t, conn)
	}
	os.WriteFile(os.Getenv("ADDR_FILE"), []byte(engine.HTTPAddr()), 0o644)
	for {
		if _, err := os.Stat(os.Getenv("ADDR_FILE") + ".stop"); err == nil {
			return
		}
		time.Sleep(time.Second)
	}
}
