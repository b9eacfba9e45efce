package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// WriteJSON writes the findings as one array, for programs.
func WriteJSON(w io.Writer, all []Finding) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}

// Colours of a terminal, by level.
var colours = map[Level]string{OK: "\033[32m", Warn: "\033[33m", Fail: "\033[31m", Skip: "\033[2m"}

const plain = "\033[0m"

// WriteTable writes the findings for people, what to do below each, and a line that sums up.
func WriteTable(w io.Writer, all []Finding, colour bool) error {
	width := 0
	for _, f := range all {
		width = max(width, utf8.RuneCountInString(f.Area)+1+utf8.RuneCountInString(f.Check))
	}
	for _, f := range all {
		level := fmt.Sprintf("%-4s", f.Level)
		if colour {
			level = colours[f.Level] + level + plain
		}
		if _, err := fmt.Fprintf(w, "%s  %-*s  %s\n", level, width, f.Area+" "+f.Check, f.Found); err != nil {
			return err
		}
		if f.Do != "" {
			if _, err := fmt.Fprintf(w, "      %-*s  → %s\n", width, "", f.Do); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %d to be looked at, %d wrong, %d skipped\n", Count(all, OK), Count(all, Warn), Count(all, Fail), Count(all, Skip))
	return err
}
