package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Key is one configurable value.
type Key struct {
	Path  string // kafka.session_timeout
	Env   string // TILLSTREAM_KAFKA_SESSION_TIMEOUT
	Doc   string // one or more sentences
	value reflect.Value
	url   bool // a secret that may be shown where there is no password in it
}

// Keys lists every key in the order in which they are printed.
func Keys() []Key { return keys(Default()) }

// keys lists the values of a configuration in the order of their fields.
func keys(c *Config) []Key { return walk(reflect.ValueOf(c).Elem(), "") }

func walk(v reflect.Value, prefix string) []Key {
	var out []Key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if field.Anonymous {
			out = append(out, walk(v.Field(i), prefix)...)
			continue
		}
		path := prefix + field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			out = append(out, walk(v.Field(i), path+".")...)
			continue
		}
		out = append(out, Key{
			Path: path, Env: envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_")), Doc: field.Tag.Get("doc"),
			value: v.Field(i), url: field.Tag.Get("show") == "url",
		})
	}
	return out
}

// set takes a value as the environment, or a scalar of the file, has it.
func (k *Key) set(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("the value is not UTF-8")
	}
	if u, ok := k.value.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch p := k.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]string:
		*p = nil
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				*p = append(*p, s)
			}
		}
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	default:
		return fmt.Errorf("a %s cannot be set", k.value.Type())
	}
	return nil
}

// text is the value as YAML has it on one line. hidden says that it is not the whole: a secret was left out.
func (k *Key) text() (text string, hidden bool) {
	v, ok := k.value.Interface().(Secret)
	switch {
	case !ok:
		return yamlText(k.value.Interface()), false
	case k.url:
		shown := withoutPassword(string(v))
		return yamlText(shown), shown != string(v)
	}
	return yamlText(v.String()), v != ""
}

// yamlText is a value as YAML has it on one line.
func yamlText(value any) string {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	switch v := value.(type) {
	case string:
		n = scalar(v)
	case []string:
		n = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, scalar(s))
		}
	default: // bool, int, Duration, Size
		n.Value = fmt.Sprint(v)
	}
	b, err := yaml.Marshal(n)
	if err != nil {
		return strconv.Quote(err.Error()) // a tree of valid nodes has none
	}
	return strings.TrimSuffix(string(b), "\n")
}

// scalar keeps values with line breaks and the like on one line.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
