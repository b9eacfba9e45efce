package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Key is one configurable value.
type Key struct {
	Path  string // kafka.session_timeout
	Env   string // TILLSTREAM_KAFKA_SESSION_TIMEOUT
	Doc   string
	value reflect.Value
}

// keys lists the values of a configuration in the order of their fields.
func keys(c *Config) []Key { return walk(reflect.ValueOf(c).Elem(), "") }

func walk(v reflect.Value, prefix string) []Key {
	var out []Key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		path := prefix + field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			out = append(out, walk(v.Field(i), path+".")...)
			continue
		}
		out = append(out, Key{
			Path: path, Env: "TILLSTREAM_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_")), Doc: field.Tag.Get("doc"), value: v.Field(i),
		})
	}
	return out
}

// set takes a value as the environment has it.
func (k *Key) set(text string) error {
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

// text is the value as YAML has it on one line, secrets hidden.
func (k *Key) text() string {
	switch v := k.value.Interface().(type) {
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil || len(b) == 0 {
			return `""`
		}
		return string(b)
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case string:
		return strconv.Quote(v)
	default:
		return fmt.Sprint(v)
	}
}
