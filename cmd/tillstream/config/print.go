package config

import (
	"fmt"
	"io"
	"strings"
)

// Print writes all keys as YAML that Load reads back, each with its meaning and its environment variable. Secrets are left out.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	var open []string
	for _, k := range keys(c) {
		parts := strings.Split(k.Path, ".")
		sections, name := parts[:len(parts)-1], parts[len(parts)-1]
		for i, s := range sections {
			if i >= len(open) || open[i] != s {
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), s)
				open = append(open[:i:i], s)
			}
		}
		open = open[:len(sections)]
		indent := strings.Repeat("  ", len(sections))
		fmt.Fprintf(&b, "%s# %s %s\n", indent, k.Doc, k.Env)
		if s, ok := k.value.Interface().(Secret); ok && s != "" {
			fmt.Fprintf(&b, "%s# %s: %s\n", indent, name, redacted)
			continue
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, k.text())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes docs/configuration.md.
func Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Configuration\n\nMade by `make docs` from cmd/tillstream/config; do not edit.\n\n" +
		"One YAML file, strict: an unknown key is an error. The environment wins over the file. `tillstream config print` shows what is in\nforce, `tillstream config check FILE` what is wrong. Durations are written as 500ms, 30s, 5m, 48h; sizes as 65536, 64KiB, 8MiB, 1GiB.\n\n" +
		"| key | default | meaning | environment |\n|---|---|---|---|\n")
	for _, k := range keys(Default()) {
		value := k.text()
		if s, ok := k.value.Interface().(Secret); ok && s != "" {
			value = string(s) // a default is no secret
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | `%s` |\n", k.Path, value, k.Doc, k.Env)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
