package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// Load reads files, and what is in directories as *.yaml and *.yml, at any depth. The error holds every problem, one a line.
func Load(paths []string) ([]*Object, error) {
	var objects []*Object
	var problems []error
	read := func(file string) {
		text, err := os.ReadFile(file)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading what is to be applied: %w", err))
			return
		}
		found, wrong := Read(file, text)
		objects, problems = append(objects, found...), append(problems, wrong...)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
				if ext := filepath.Ext(file); err == nil && !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
					read(file)
				}
				return err
			})
		} else if err == nil {
			read(path)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("reading what is to be applied: %w", err))
		}
	}
	seen := map[Key]*Object{}
	for _, o := range objects {
		if was := seen[o.Key()]; was != nil {
			problems = append(problems, problem(o.file, o.line, "metadata.name", fmt.Sprintf("%s is given twice; the other one is at %s:%d", o.Key(), was.file, was.line)))
		}
		seen[o.Key()] = o
	}
	if len(objects) == 0 && len(problems) == 0 {
		problems = append(problems, fmt.Errorf("%s: there is nothing to apply in it; objects are YAML documents with apiVersion, kind, metadata and spec (docs/registry.md, docs/agreements.md)", strings.Join(paths, ", ")))
	}
	return objects, errors.Join(problems...)
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// Read reads one file.
func Read(file string, text []byte) (objects []*Object, problems []error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return objects, problems
		}
		if err != nil {
			line := 1
			if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
				line, _ = strconv.Atoi(m[1])
			}
			return objects, append(problems, fmt.Errorf("%s:%d: it is not YAML: %s", file, line, yamlLine.ReplaceAllString(err.Error(), "")))
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" { // only comments
			continue
		}
		o, wrong := readObject(file, doc.Content[0])
		problems = append(problems, wrong...)
		if len(wrong) == 0 {
			objects = append(objects, o)
		}
	}
}

func readObject(file string, n *yaml.Node) (*Object, []error) {
	d := &decoder{file: file, lines: map[string]int{}}
	o := &Object{file: file, line: n.Line, lines: d.lines}
	var version string
	var metadata, spec *yaml.Node
	d.each(n, "the document", func(key string, k, v *yaml.Node) {
		switch key {
		case "apiVersion":
			d.value(v, reflect.ValueOf(&version).Elem(), key)
		case "kind":
			d.value(v, reflect.ValueOf(&o.Kind).Elem(), key)
		case "metadata":
			metadata = v
		case "spec":
			spec = v
		default:
			d.wrong(k, key, "there is no such key; a document has apiVersion, kind, metadata and spec")
		}
	})
	if n.Kind != yaml.MappingNode {
		return o, d.problems
	}
	at := func(key string) *yaml.Node { return &yaml.Node{Line: max(d.lines[key], n.Line)} }
	o.Spec = specOf(o.Kind)
	switch want := apiVersionOf(o.Kind); {
	case version == openslo.APIVersion && o.Kind == KindService:
		o.Spec = new(openslo.Service)
	case version == openslo.APIVersion && refused[o.Kind] != "":
		d.wrong(at("kind"), "kind", "%s", refused[o.Kind])
		return o, d.problems
	case version != want && (o.Spec != nil || version != openslo.APIVersion):
		d.wrong(at("apiVersion"), "apiVersion", "it must be %s", want)
	}
	if metadata != nil {
		if o.Kind == KindAgreement || version == openslo.APIVersion {
			metadata = renamed(metadata, "displayName", "display_name")
		}
		d.value(metadata, reflect.ValueOf(&o.Metadata).Elem(), "metadata")
	}
	if name := o.Metadata.Name; name == "" || len(name) > 128 || strings.IndexByte(name, 0) >= 0 {
		d.wrong(at("metadata.name"), "metadata.name", "it is needed: 1 to 128 bytes")
	}
	switch {
	case o.Spec == nil:
		d.wrong(at("kind"), "kind", "it must be one of %s", strings.Join(kinds, ", "))
	case spec != nil:
		d.value(spec, reflect.ValueOf(o.Spec).Elem(), "spec")
	}
	if s, ok := o.Spec.(*openslo.Service); ok { // one service, whoever describes it
		o.Spec = &Party{Description: s.Description}
	}
	return o, d.problems
}

// refused are kinds of OpenSLO that are not read.
var refused = map[string]string{
	"DataSource":              "a DataSource is not read: tillstream measures itself; an SLI of it has metricSource {type: tillstream, spec: {indicator: …}}",
	"AlertCondition":          "an AlertCondition is read within its AlertPolicy only: spec.conditions: [{kind: AlertCondition, …}]",
	"AlertNotificationTarget": "an AlertNotificationTarget is not read: an AlertPolicy names it by targetRef, and alerts are routed by that name",
}

// renamed is a mapping in which a key has another name.
func renamed(n *yaml.Node, from, to string) *yaml.Node {
	out := *n
	out.Content = slices.Clone(n.Content)
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if k := *n.Content[i]; k.Value == from {
			k.Value = to
			out.Content[i] = &k
		}
	}
	return &out
}
