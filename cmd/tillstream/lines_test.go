package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/sinks/kafka"
)

// A line that is too long is told, and those around it are sent.
func TestALineThatIsTooLong(t *testing.T) {
	line := func(id string, n int) string {
		return fmt.Sprintf(`{"id":"%s","type":"pos.transaction.v1","store_id":"s","note":"%s"}`, id, strings.Repeat("x", n))
	}
	var sent []string
	report, err := readEvents(t.Context(), "-", strings.NewReader(strings.Join([]string{line("a", 1), line("b", 3*maxLine), line("c", 100_000), "", line("d", maxLine), line("e", 1)}, "\n")), func(e kafka.Event) error {
		sent = append(sent, string(e.Value[7:8]))
		return nil
	})
	if want := (fileReport{Events: 3, Long: 2, AtLong: 2}); err != nil || report != want || !slices.Equal(sent, []string{"a", "c", "e"}) {
		t.Errorf("%v: %+v, want %+v; sent %v", err, report, want, sent)
	}
	if said := report.describe("f"); !strings.Contains(said, "3 events sent; 2 left out, of more than 16 MiB: ") || !strings.Contains(said, "from line 2 on") {
		t.Error(said)
	}
}
