package config

import (
	"fmt"
	"io"
	"strings"
)

// Print writes all keys as YAML that Load reads back, each with its meaning, default and environment variable. Secrets are left
// out: a key that holds one is commented out.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	var open []string
	defaults := Keys()
	for i, k := range keys(c) {
		parts := strings.Split(k.Path, ".")
		sections, name := parts[:len(parts)-1], parts[len(parts)-1]
		if i > 0 {
			b.WriteByte('\n')
		}
		for depth, s := range sections {
			if depth >= len(open) || open[depth] != s {
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", depth), s)
				open = append(open[:depth:depth], s)
			}
		}
		open = open[:len(sections)]
		indent := strings.Repeat("  ", len(sections))
		for _, line := range wrapped(k.Doc, 110-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		usual, _ := defaults[i].text()
		fmt.Fprintf(&b, "%s# Default %s; environment %s\n", indent, usual, k.Env)
		text, hidden := k.text()
		if hidden {
			indent += "# "
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrapped breaks a text into lines of at most width characters, if its words allow it.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

const preamble = `# Configuration

Made by ` + "`make docs`" + ` from cmd/tillstream/config; do not edit.

One YAML file, strict: a key that is not known or given twice is an error, with its line. Every key can be set from the environment, which
wins over the file; lists are separated by commas there. ` + "`tillstream config print`" + ` shows what is in force, with secrets left out;
` + "`tillstream config check FILE`" + ` says what is wrong, all of it at once.

Durations are written as 500ms, 30s, 5m, 48h; sizes as 65536, 64KiB, 8MiB, 1GiB.

| key | default | meaning | environment |
|---|---|---|---|
`

// Markdown writes docs/configuration.md.
func Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(preamble)
	for _, k := range Keys() {
		usual, _ := k.text()
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | `%s` |\n", k.Path, usual, k.Doc, k.Env)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
