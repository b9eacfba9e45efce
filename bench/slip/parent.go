package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errAlone says that there is nothing to compare with.
var errAlone = errors.New("there is no parent that could be compared with")

// workload is the file that has the work, in processor.
const workload = "processor/steps_test.go"

// parent is what this tree is compared with.
type parent struct {
	root string // of this tree
	rev  string
	name string // for people
}

// findParent finds the parent of the tree around the working directory, or takes the revision that is given.
func findParent(ctx context.Context, rev string) (*parent, error) {
	root, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAlone, err)
	}
	p := &parent{root: strings.TrimSpace(root)}
	if rev == "" {
		changed, err := git(ctx, p.root, "status", "--porcelain", "--", "*.go", "go.mod", "go.sum")
		if err != nil {
			return nil, err
		}
		if rev = "HEAD^"; changed != "" {
			rev = "HEAD"
		}
	}
	commit, err := git(ctx, p.root, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("%w: the clone does not have %s", errAlone, rev)
	}
	p.rev = strings.TrimSpace(commit)
	if p.name, err = git(ctx, p.root, "log", "-1", "--format=%h (%s)", p.rev); err != nil {
		return nil, err
	}
	p.name = strings.TrimSpace(p.name)
	if _, err := git(ctx, p.root, "cat-file", "-e", p.rev+":"+workload); err != nil {
		return nil, fmt.Errorf("%w: %s has no %s", errAlone, p.name, workload)
	}
	return p, nil
}

// build makes the parent's program and this tree's, in dir.
func (p *parent) build(ctx context.Context, dir string) (before, now string, err error) {
	overlay, err := p.overlay(ctx, dir)
	if err != nil {
		return "", "", err
	}
	before, now = filepath.Join(dir, "before.test"), filepath.Join(dir, "now.test")
	if err := p.compile(ctx, now); err != nil {
		return "", "", err
	}
	if err := p.compile(ctx, before, "-overlay", overlay); err != nil {
		return "", "", fmt.Errorf("%w: %s: %w", errAlone, p.name, err)
	}
	return before, now, nil
}

func (p *parent) compile(ctx context.Context, to string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-c", "-tags", "measure", "-o", to}, flags...), "./processor")...)
	cmd.Dir = p.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building ./processor: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// overlay says to the compiler which files of this tree are others in the parent, or are not there.
func (p *parent) overlay(ctx context.Context, dir string) (file string, err error) {
	differ, err := git(ctx, p.root, "diff", "--name-only", "--no-renames", "-z", p.rev)
	if err != nil {
		return "", err
	}
	untracked, err := git(ctx, p.root, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, path := range strings.FieldsFunc(differ+untracked, func(r rune) bool { return r == 0 }) {
		at := filepath.Join(p.root, path)
		replace[at] = "" // it is not there
		if _, err := git(ctx, p.root, "cat-file", "-e", p.rev+":"+path); err != nil {
			continue
		}
		content, err := git(ctx, p.root, "cat-file", "blob", p.rev+":"+path)
		if err != nil {
			return "", err
		}
		replace[at] = filepath.Join(dir, fmt.Sprintf("%d%s", i, filepath.Ext(path)))
		if err := os.WriteFile(replace[at], []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	file = filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return file, os.WriteFile(file, text, 0o600)
}

// said gives the work that commits since the parent say is dearer, and why.
func (p *parent) said(ctx context.Context) ([]string, error) {
	said, err := git(ctx, p.root, "log", "--format=%(trailers:key=Dearer,valueonly)", p.rev+"..HEAD")
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(failed.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}

func equal(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return bytes.Equal(x, y), err
}
