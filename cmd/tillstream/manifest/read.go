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
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
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
		problems = append(problems, fmt.Errorf("%s: there is nothing to apply in it; objects are YAML documents with apiVersion, kind, metadata and spec (docs/registry.md)", strings.Join(paths, ", ")))
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
	var spec *yaml.Node
	d.each(n, "the document", func(key string, k, v *yaml.Node) {
		switch key {
		case "apiVersion":
			d.value(v, reflect.ValueOf(&version).Elem(), key)
		case "kind":
			d.value(v, reflect.ValueOf(&o.Kind).Elem(), key)
		case "metadata":
			d.value(v, reflect.ValueOf(&o.Metadata).Elem(), key)
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
	if version != APIVersion {
		d.wrong(at("apiVersion"), "apiVersion", "it must be %s", APIVersion)
	}
	if name := o.Metadata.Name; name == "" || len(name) > 128 || strings.IndexByte(name, 0) >= 0 {
		d.wrong(at("metadata.name"), "metadata.name", "it is needed: 1 to 128 bytes")
	}
	o.Spec = specOf(o.Kind)
	switch {
	case o.Spec == nil:
		d.wrong(at("kind"), "kind", "it must be one of %s", strings.Join(kinds, ", "))
	case spec != nil:
		d.value(spec, reflect.ValueOf(o.Spec).Elem(), "spec")
	}
	return o, d.problems
}
