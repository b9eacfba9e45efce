package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/benthosdev/benthos/v4/public/bloblang"

	"github.com/tillstream/tillstream/processor/event"
)

// Functions are those that a mapping may call: pure ones. Not now, random_int, uuid_v4, env, file, meta and the like.
func Functions() []string { return []string{"deleted", "nothing", "range", "throw", "var"} }

// Methods are those that a mapping may call. key_values and values are not among them, whose order is another one each time, nor what reads files or
// runs another mapping.
func Methods() []string {
	return []string{
		"all", "any", "append", "apply", "assign", "bool", "bytes", "capitalize", "catch", "ceil", "collapse", "contains", "decode", "encode", "enumerated",
		"escape_html", "escape_url_query", "exists", "explode", "filter", "find", "find_all", "find_all_by", "find_by", "flatten", "floor", "fold", "format", "format_json",
		"get", "has_prefix", "has_suffix", "hash", "index", "index_of", "join", "keys", "length", "lowercase", "map", "map_each", "map_each_key", "max", "merge", "min", "not",
		"not_empty", "not_null", "number", "or", "parse_csv", "parse_json", "parse_url", "parse_xml", "quote", "re_find_all", "re_find_all_object", "re_find_all_submatch",
		"re_find_object", "re_match", "re_replace", "re_replace_all", "replace", "replace_all", "replace_all_many", "replace_many", "reverse", "round", "slice", "sort", "sort_by",
		"split", "string", "strip_html", "sum", "trim", "trim_prefix", "trim_suffix", "type", "unescape_html", "unescape_url_query", "unique", "unquote", "uppercase", "without",
	}
}

// maxRecursion bounds maps that apply themselves.
const maxRecursion = 100

// Mapping makes canonical JSON of payloads. Several goroutines may use it at once.
type Mapping struct {
	text string
	exec *bloblang.Executor
}

// Parse compiles a mapping. The error says the line.
func Parse(text string) (*Mapping, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("it is empty; a mapping that takes events as they are is: root = this")
	}
	exec, err := env.Parse(text)
	if err != nil {
		why := strings.TrimRight(err.Error(), ": \n")
		var at *bloblang.ParseError
		if errors.As(err, &at) {
			why = fmt.Sprintf("line %d: %s", at.Line, why)
		}
		if strings.Contains(why, "unrecognised") || strings.Contains(why, "import") {
			why += " (a mapping has only functions that give the same on every replay: not now, random_int, uuid_v4, env, file and the like, and no imports)"
		}
		return nil, errors.New(why)
	}
	return &Mapping{text, exec}, nil
}

// String is the text of the mapping.
func (m *Mapping) String() string { return m.text }

// environment is what mappings are compiled in.
func environment() (*bloblang.Environment, error) {
	env := bloblang.NewEnvironment().OnlyPure().WithDisabledImports().WithMaxMapRecursion(maxRecursion)
	spec := bloblang.NewPluginSpec().
		Description("Reads XML: an element is an object of its children by name, of its attributes by name after a dash, and of its text as #text; or the text alone where it has nothing else.").
		Param(bloblang.NewAnyParam("lists").Description("Names of elements that are a list even where there is one.").Optional())
	if err := env.RegisterMethodV2("parse_xml", spec, parseXML); err != nil {
		return nil, err
	}
	var functions, methods []string
	env.WalkFunctions(func(name string, _ *bloblang.FunctionView) {
		if !slices.Contains(Functions(), name) {
			functions = append(functions, name)
		}
	})
	env.WalkMethods(func(name string, _ *bloblang.MethodView) {
		if !slices.Contains(Methods(), name) {
			methods = append(methods, name)
		}
	})
	return env.WithoutFunctions(functions...).WithoutMethods(methods...), nil
}

// Map appends the event that a payload becomes to out. JSON is given to the mapping as what it says, anything else as text.
func (m *Mapping) Map(out, payload []byte) ([]byte, *event.Rejection) {
	made, err := m.exec.Query(input(payload))
	if err != nil {
		return nil, failed(lineOf(err))
	}
	e, ok := made.(map[string]any)
	if !ok {
		return nil, failed("its result is not one event, an object: a record counts once")
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, failed("its result is no JSON")
	}
	return append(out, text...), nil
}

// Advice ends what dead letters say of a mapping that failed.
const Advice = "; try tillstream map"

// failed says what is wrong; never a value, which may be a customer's.
func failed(why string) *event.Rejection {
	return &event.Rejection{Reason: event.ReasonMappingFailed, Expected: "what the topic's mapping makes an event of: " + why + Advice}
}

var line = regexp.MustCompile(`\(line (\d+)\)`)

func lineOf(err error) string {
	if m := line.FindStringSubmatch(err.Error()); m != nil {
		return "its line " + m[1] + " fails"
	}
	return "it fails"
}

// Explain says why a mapping fails of a payload, or gives no event, with values: for who tries it, not for dead letters.
func (m *Mapping) Explain(payload []byte) error {
	in := input(payload)
	if _, err := m.exec.Query(in); err != nil {
		return fmt.Errorf("%w; `this` is %s", err, seen(payload, in))
	}
	return fmt.Errorf("`this` is %s", seen(payload, in))
}

// seen says what a payload is to a mapping.
func seen(payload []byte, in any) string {
	text, ok := in.(string)
	switch in := in.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(in))
		return fmt.Sprintf("an object with %q", names[:min(len(names), 20)])
	case []any:
		return fmt.Sprintf("a list of %d", len(in))
	}
	start := bytes.TrimLeft(payload, " \t\r\n")
	d := json.NewDecoder(bytes.NewReader(start))
	var first json.RawMessage
	switch err := d.Decode(&first); {
	case len(start) == 0:
		return "empty"
	case !utf8.Valid(payload):
		return "bytes that are neither JSON nor text: a record of Avro or Protobuf cannot be tried, and a compressed file is to be unpacked first"
	case ok && err == nil && d.More():
		return "text, since there is more than one value of JSON: a record has one; give one line of a file of lines"
	case ok && err != nil && (start[0] == '{' || start[0] == '['):
		return "text, since its JSON is broken: " + err.Error()
	case ok && err != nil:
		return fmt.Sprintf("text, since it is no JSON: %.40q", text)
	}
	return fmt.Sprintf("%.40s", bytes.TrimSpace(start))
}

// input is a payload as mappings see it.
func input(payload []byte) any {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber() // whole numbers of any size stay what they are
	var v any
	if err := d.Decode(&v); err != nil {
		return string(payload)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return string(payload)
	}
	return v
}
