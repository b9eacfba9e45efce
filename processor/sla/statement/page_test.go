package statement

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; if that is meant, run go test ./processor/sla/statement -update and look at it", name)
	}
}

func TestWorkedStatement(t *testing.T) {
	s := Sign(document(t, worked(t)))
	golden(t, "worked.json", s.File())
	for _, lang := range Languages() {
		page, err := Page(&s, lang)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "worked."+lang+".html", page)
	}
}
