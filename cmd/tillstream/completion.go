package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (*completionCmd) Help() string {
	return `Prints what makes the shell complete commands, flags and their values:

  source <(tillstream completion bash)                                         # in ~/.bashrc
  source <(tillstream completion zsh)                                          # in ~/.zshrc, after compinit
  tillstream completion fish > ~/.config/fish/completions/tillstream.fish`
}

// completions ask the program itself what may follow, so that they fit to whatever version is installed. Where it knows nothing, files are offered.
var completions = map[string]string{
	"bash": `_tillstream() {
	local IFS=$'\n'
	COMPREPLY=($(compgen -W "$(tillstream complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tillstream tillstream
`,
	"zsh": `_tillstream() {
	local -a all
	all=(${(f)"$(tillstream complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( ${#all} )); then compadd -a all; else _files; fi
}
compdef _tillstream tillstream
`,
	"fish": `complete -c tillstream -a '(tillstream complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

func (c *completionCmd) Run(e *env) error {
	_, err := fmt.Fprint(e.stdout, completions[c.Shell])
	return err
}

// completeCmd is what the shells ask.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words of the line, up to the one that is being written."`
}

func (c *completeCmd) Run(e *env, k *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, x := range candidates(k.Model.Node, words) {
		if _, err := fmt.Fprintln(e.stdout, x); err != nil {
			return err
		}
	}
	return nil
}

// candidates are what the last of some words can become: a command, a flag, or a value of the flag before it.
func candidates(at *kong.Node, words []string) (out []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	done, last := words[:len(words)-1], words[len(words)-1]
	var wants *kong.Flag // a value comes next
	for _, w := range done {
		switch {
		case wants != nil:
			wants = nil
		case strings.HasPrefix(w, "-"):
			if f := flagOf(at, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				wants = f
			}
		default:
			if i := slices.IndexFunc(at.Children, func(n *kong.Node) bool { return n.Name == w }); i >= 0 {
				at = at.Children[i]
			}
		}
	}
	if wants != nil {
		if wants.Enum != "" {
			out = wants.EnumSlice()
		}
		return begin(out, last)
	}
	if strings.HasPrefix(last, "-") {
		for _, group := range at.AllFlags(true) {
			for _, f := range group {
				out = append(out, "--"+f.Name)
			}
		}
		return begin(out, last)
	}
	for _, n := range at.Children {
		if !n.Hidden {
			out = append(out, n.Name)
		}
	}
	for _, p := range at.Positional {
		if p.Enum != "" {
			out = append(out, p.EnumSlice()...)
		}
	}
	return begin(out, last)
}

func flagOf(at *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	for _, group := range at.AllFlags(false) {
		for _, f := range group {
			if f.Name == name || strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && string(f.Short) == name {
				return f
			}
		}
	}
	return nil
}

func begin(all []string, with string) []string {
	out := slices.DeleteFunc(all, func(s string) bool { return s == "" || !strings.HasPrefix(s, with) })
	slices.Sort(out)
	return out
}
