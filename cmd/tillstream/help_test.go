package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-shellwords"
)

// Every command says with --help how it is used, by a line that the command line takes; and the texts show none that it does not take.
func TestExamplesAreTaken(t *testing.T) {
	var shown []string // lines of commands
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, commandLines(string(text))...)
	}
	if len(shown) < 50 {
		t.Errorf("only %d lines were found", len(shown))
	}
	t.Chdir(t.TempDir())
	for _, file := range []string{"at-risk.csv", "slipping.csv", "members.csv"} { // what examples name and must be there
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(line string) (command string) {
		words, err := shellwords.NewParser().Parse(line) // up to a pipe or a redirection
		if err != nil {
			t.Errorf("tillstream %s: %v", line, err)
			return ""
		}
		parsed, err := commandLine(t).Parse(words)
		if err != nil {
			t.Errorf("tillstream %s: %v", line, err)
			return ""
		}
		return parsed.Selected().FullPath()
	}
	for _, line := range shown {
		parse(line)
	}
	for _, leaf := range commandLine(t).Model.Leaves(true) {
		if !slices.ContainsFunc(commandLines(leaf.Detail), func(line string) bool { return parse(line) == leaf.FullPath() }) {
			t.Errorf("%s --help has no example", leaf.FullPath())
		}
	}
}

func commandLine(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(new(cli), kong.Name("tillstream"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

var (
	goesOn   = regexp.MustCompile(`\s*\\\n\s*`)
	indented = regexp.MustCompile(`(?m)^ {2,4}(?:.*\| *|source <\()?(?:bin/)?tillstream ([a-z].*)$`)
	remark   = regexp.MustCompile(` {2,}\S.*$| +#.*$`)
	open     = regexp.MustCompile(`\[[^]]*\]|…|\$\(`) // for the reader to fill in
)

// commandLines are the arguments of the lines of a text that are indented, as code is, and call tillstream; without remarks beside them.
func commandLines(text string) (out []string) {
	for _, m := range indented.FindAllStringSubmatch(goesOn.ReplaceAllString(text, " "), -1) {
		line := remark.ReplaceAllString(m[1], "")
		if strings.Contains(m[0], "<(") {
			line, _, _ = strings.Cut(line, ")")
		}
		if !open.MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}
