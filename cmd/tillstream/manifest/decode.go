package manifest

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills Go values from YAML nodes. It is strict, remembers the line of every path, and goes on after a mistake.
type decoder struct {
	file     string
	lines    map[string]int
	problems []error
}

func (d *decoder) wrong(n *yaml.Node, path, format string, args ...any) {
	d.problems = append(d.problems, problem(d.file, n.Line, path, fmt.Sprintf(format, args...)))
}

func problem(file string, line int, path, what string) error {
	if file == "" {
		return fmt.Errorf("%s: %s", path, what)
	}
	return fmt.Errorf("%s:%d: %s: %s", file, line, path, what)
}

func child(path, key string) string { return strings.Trim(path+"."+key, ".") }

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.lines[path] = n.Line
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.wrong(n, path, "it has no value; give it one, or leave the key out")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if _, ok := v.Interface().(oneOrMany); ok && (n.Kind == yaml.ScalarNode || n.Kind == yaml.MappingNode) {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.value(n, v.Index(0), path)
		return
	}
	if k, ok := v.Addr().Interface().(keyed); ok && n.Kind == yaml.MappingNode {
		d.object(n, reflect.ValueOf(k.Keys()).Elem(), path)
		return
	}
	if v.Addr().Type().Implements(textType) {
		if n.Kind != yaml.ScalarNode {
			d.wrong(n, path, "it takes one value")
		} else if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			d.wrong(n, path, "%v", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.wrong(n, path, "it takes a list, as [a, b]")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, e := range n.Content {
			d.value(e, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.each(n, path, func(key string, k, e *yaml.Node) {
			x := reflect.New(v.Type().Elem()).Elem()
			d.value(e, x, child(path, key))
			v.SetMapIndex(reflect.ValueOf(key), x)
		})
	case reflect.String:
		if n.Kind != yaml.ScalarNode {
			d.wrong(n, path, "it takes one value")
			return
		}
		v.SetString(n.Value)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.wrong(n, path, "it takes a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
			d.wrong(n, path, "it takes true or false")
			return
		}
		v.SetBool(n.Value == "true")
	default:
		panic(fmt.Sprintf("manifest: %s is of kind %s", path, v.Kind()))
	}
}

// each visits the keys of a mapping.
func (d *decoder) each(n *yaml.Node, path string, f func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "it takes keys with values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if seen[k.Value] {
			d.wrong(k, child(path, k.Value), "it is given twice")
			continue
		}
		seen[k.Value] = true
		f(k.Value, k, n.Content[i+1])
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	fields := map[string]reflect.Value{}
	fieldsOf(v, fields)
	d.each(n, path, func(key string, k, e *yaml.Node) {
		f, ok := fields[key]
		if r, some := v.Addr().Interface().(refuser); some && !ok {
			if why, known := r.Refuses()[key]; known {
				d.wrong(k, child(path, key), "%s", why)
				return
			}
		}
		if !ok {
			names := make([]string, 0, len(fields))
			for name := range fields {
				names = append(names, name)
			}
			slices.Sort(names)
			d.wrong(k, child(path, key), "there is no such key; the keys here are %s", strings.Join(names, ", "))
			return
		}
		d.value(e, f, child(path, key))
	})
}

// oneOrMany is a list; of one, the brackets may be left out.
type oneOrMany interface{ OneOrMany() }

// keyed is a text, or a mapping whose keys are read into what it gives.
type keyed interface{ Keys() any }

// refuser knows keys that it understands and cannot honour, and why.
type refuser interface{ Refuses() map[string]string }

// fieldsOf lists the fields of a struct by their names in files.
func fieldsOf(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			fieldsOf(v.Field(i), into)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			into[name] = v.Field(i)
		}
	}
}
