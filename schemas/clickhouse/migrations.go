// Package clickhouse holds what tillstream creates in ClickHouse: the tables of database tillstream, which are the machine's own, and
// the views of database pos, which are the public, stable interface.
//
// A migration is a file NNNN_name.sql. Released ones never change: a later file alters what an earlier one made. Each must do nothing
// when it is run again (IF NOT EXISTS, CREATE OR REPLACE), because two processes may start at once and because ClickHouse cannot roll
// back a half of it. A statement ends with a semicolon at the end of a line.
package clickhouse

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Migration is one numbered step.
type Migration struct {
	Version  uint32
	Name     string // of the file, without number and .sql
	SQL      string
	Checksum string // first 16 hex digits of the SHA-256 of SQL
}

// Migrations are those of this binary, by ascending version.
func Migrations() ([]Migration, error) { return Read(files) }

// Read reads the migrations in the root of a file system. Versions must run from 1 without a hole.
func Read(fsys fs.FS) ([]Migration, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	slices.Sort(names)
	migrations := make([]Migration, len(names))
	for i, file := range names {
		number, name, ok := strings.Cut(strings.TrimSuffix(file, ".sql"), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil || len(number) != 4 {
			return nil, fmt.Errorf("reading migration %s: its name must be NNNN_name.sql", file)
		}
		if version != uint64(i+1) {
			return nil, fmt.Errorf("reading migration %s: expected number %04d", file, i+1)
		}
		sql, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("reading migration %s: %w", file, err)
		}
		sum := sha256.Sum256(sql)
		migrations[i] = Migration{uint32(version), name, string(sql), hex.EncodeToString(sum[:8])}
	}
	return migrations, nil
}

// Statements are the migration's SQL statements, without semicolons and without what is only a comment.
func (m Migration) Statements() []string {
	var out []string
	for _, s := range strings.Split(m.SQL, ";\n") {
		s = strings.TrimSpace(s)
		for strings.HasPrefix(s, "--") {
			_, s, _ = strings.Cut(s, "\n")
			s = strings.TrimSpace(s)
		}
		if s != "" {
			out = append(out, strings.TrimSuffix(s, ";"))
		}
	}
	return out
}
