package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// WriteYAML writes what JSON knows of a value, in its order, as YAML. comment is what is said beside a value, by its path; it may be nil.
func WriteYAML(w io.Writer, v any, comment func(path string) string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	said := map[string]bool{}
	d := dresser{terms: comment != nil, comment: func(path string) string {
		if comment == nil {
			return ""
		}
		c := comment(path)
		said[c] = true
		return c
	}}
	d.dress(doc.Content[0], "")
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	for line := range strings.Lines(out.String()) {
		if i := strings.LastIndex(line, " # "); i >= 0 && said[strings.TrimSpace(line[i+3:])] { // comments in a column
			line = fmt.Sprintf("%-*s%s", column, line[:i], line[i:])
		}
		if _, err := io.WriteString(w, line); err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
	}
	return nil
}

// column is where comments begin, if the line is not longer.
const column = 56

// unquoted are texts that are numbers.
var unquoted = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?$`)

// dresser makes of JSON what people write: plain values, and short lists on one line.
type dresser struct {
	comment func(path string) string
	terms   bool // of an agreement, which have decimals as texts, to keep them exact
}

func (d *dresser) dress(n *yaml.Node, path string) {
	n.Style = 0
	n.LineComment = d.comment(path)
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			n.Content[i].Style = 0
			d.dress(n.Content[i+1], child(path, n.Content[i].Value))
		}
		if n.LineComment != "" { // a map that is one value
			n.Style = yaml.FlowStyle
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			d.dress(e, fmt.Sprintf("%s[%d]", path, i))
		}
		if n.LineComment != "" || len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
			n.Style = yaml.FlowStyle
		}
	case yaml.ScalarNode:
		if d.terms && unquoted.MatchString(n.Value) {
			n.Tag = ""
		}
	}
}

// Where names an object and the line of a place in its file.
func (s Set) Where(p agreement.Place) string {
	who := p.Name
	if p.Kind != KindAgreement {
		who = p.Kind + " " + p.Name
	}
	if o := s[Key{p.Kind, p.Name}]; o != nil && o.file != "" {
		return fmt.Sprintf("%s, %s:%d", who, o.file, o.lineOf(p.Path))
	}
	return who
}

// SetOf makes a set of objects.
func SetOf(objects []*Object) Set {
	s := Set{}
	for _, o := range objects {
		s[o.Key()] = o
	}
	return s
}
