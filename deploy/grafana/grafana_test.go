package grafana

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreCurrent also writes them, for make docs. That what they ask can be answered is tested in cmd/tillstream.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for _, d := range Dashboards() {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := d.UID + ".json"
		if os.Getenv("TILLSTREAM_WRITE_DOCS") != "" {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(got), string(want)); d != "" {
			t.Errorf("%s is stale, run make docs:\n%s", path, d)
		}
	}
}
