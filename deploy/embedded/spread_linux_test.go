package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// On ext4 tables do not all lie in one block group, whose inodes follow one another.
func TestTablesAreSpread(t *testing.T) {
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	e := startTestEngine(t, dir)
	for i := range 5 {
		run(t, "http://"+e.HTTPAddr(), fmt.Sprintf("CREATE TABLE t%d (n UInt64) ENGINE = MergeTree ORDER BY n", i))
	}
	tables, err := filepath.Glob(filepath.Join(dir, "data", "store", "*", "*", "detached"))
	if err != nil || len(tables) != 5 {
		t.Fatalf("%q (%v), want five tables", tables, err)
	}
	var inodes []uint64
	for _, table := range tables {
		info, err := os.Stat(filepath.Dir(table))
		if err != nil {
			t.Fatal(err)
		}
		inodes = append(inodes, info.Sys().(*syscall.Stat_t).Ino)
	}
	if apart := slices.Max(inodes) - slices.Min(inodes); fs.Type == unix.EXT4_SUPER_MAGIC && apart < 1000 {
		t.Errorf("inodes %d, one beside the other", inodes)
	}
}
