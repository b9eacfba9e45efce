package mapping

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/benthosdev/benthos/v4/public/bloblang"
	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
)

// What mappings may call is exactly what is listed: a new version of the library adds nothing unseen.
func TestWhatMappingsHaveIsListed(t *testing.T) {
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	var functions, methods []string
	env.WalkFunctions(func(name string, _ *bloblang.FunctionView) { functions = append(functions, name) })
	env.WalkMethods(func(name string, _ *bloblang.MethodView) { methods = append(methods, name) })
	slices.Sort(functions)
	slices.Sort(methods)
	if d := cmp.Diff(Functions(), functions); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Methods(), methods); d != "" {
		t.Error(d)
	}
}

// Nothing that gives another value each time, or looks at the machine or at other files, gets past the start.
func TestImpureMappingsAreRefused(t *testing.T) {
	for _, m := range []string{
		"now()", "timestamp_unix()", "timestamp_unix_milli()", "random_int()", "uuid_v4()", "ksuid()", "nanoid()", `env("HOME")`, `file("/etc/passwd")`, "hostname()", `counter()`,
		`count("x")`, "content()", `meta("x")`, `json("x")`, "batch_index()", "error()", "tracing_id()", "this.values()", "this.key_values()", `this.json_schema("{}")`,
		`"root = this".bloblang("root = now()")`, "this.x.from(0)", `this.encrypt_aes("ctr", "k", "iv")`,
	} {
		if _, err := Parse("root.id = " + m); err == nil || !strings.Contains(err.Error(), "every replay") {
			t.Errorf("%s: %v", m, err)
		}
	}
	for _, m := range []string{`import "/etc/passwd"`, `from "/etc/passwd"`, `meta x = "y"`, "root ="} {
		if _, err := Parse(m); err == nil {
			if m, r := mapIt(t, m, "{}"); r == nil {
				t.Errorf("%s is accepted: %s", m, m)
			}
		}
	}
}

func mapIt(t testing.TB, mapping, payload string) (string, *event.Rejection) {
	t.Helper()
	m, err := Parse(mapping)
	if err != nil {
		t.Fatal(err)
	}
	out, r := m.Map([]byte("before"), []byte(payload))
	if r != nil {
		return "", r
	}
	text, ok := bytes.CutPrefix(out, []byte("before"))
	if !ok {
		t.Fatalf("%s", out)
	}
	return string(text), nil
}

func TestMap(t *testing.T) {
	for _, c := range []struct{ mapping, payload, want string }{
		{"root = this", `{"b":9007199254740993,"a":0.1}`, `{"a":0.1,"b":9007199254740993}`},
		{"root.x = (this.price * 100).round()", `{"price":19.99}`, `{"x":1999}`},
		{"root.x = this", "plain text", `{"x":"plain text"}`},
		{"root.x = this", `{} {}`, `{"x":"{} {}"}`},
		{"root.x = this.parse_xml()", `<?xml version="1.0"?><!-- c --><a xmlns="u" p:k="v" xmlns:p="q">t<b>1</b><b/><c>x &amp; y</c></a>`, `{"x":{"a":{"#text":"t","-k":"v","b":["1",""],"c":"x \u0026 y"}}}`},
		{`root.x = this.parse_xml(["b"]).a.b`, `<a><b>1</b></a>`, `{"x":["1"]}`},
		{`root.x = this.parse_xml().a | "none"`, `<a>`, `{"x":"none"}`},
		{`root.x = this.parse_xml() | "none"`, ``, `{"x":"none"}`},
		{`root.x = this.parse_xml().depth | "too deep"`, strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300), `{"x":"too deep"}`},
		{"root.x = deleted()\nroot.y = this.z.map_each(a -> if a > 1 { a } else { deleted() })", `{"z":[1,2,3]}`, `{"y":[2,3]}`},
	} {
		if got, r := mapIt(t, c.mapping, c.payload); r != nil || got != c.want {
			t.Errorf("%s of %s is %s (%v), want %s", c.mapping, c.payload, got, r, c.want)
		}
	}
}

// A mapping that fails says where; never what was in the payload, which may be a customer's.
func TestFailures(t *testing.T) {
	for _, c := range []struct{ mapping, payload, says string }{
		{"root.a = 1\nroot.b = this.name.number()", `{"name":"Doe"}`, "its line 2 fails"},
		{`root = throw("Doe")`, "{}", "its line 1 fails"},
		{"root = [this, this]", "{}", "not one event"},
		{"root = deleted()", "{}", "it fails"},
		{"root = this", "Doe", "not one event"},
		{"root = nothing()", "Doe", "not one event"},
		{"map f { root = this.apply(\"f\") }\nroot = this.apply(\"f\")", "{}", "fails"},
	} {
		_, r := mapIt(t, c.mapping, c.payload)
		if r == nil || r.Reason != event.ReasonMappingFailed || !strings.Contains(r.Expected, c.says) || strings.Contains(r.Expected, "Doe") {
			t.Errorf("%s: %v", c.mapping, r)
		}
	}
}

// The same payload gives the same bytes, from whatever goroutine.
func TestMappingIsPure(t *testing.T) {
	for name, s := range samples(t) {
		want, r := s.mapping.Map(nil, s.payload)
		if r != nil {
			t.Fatal(name, r)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 25 {
					if got, r := s.mapping.Map(nil, s.payload); r != nil || !bytes.Equal(got, want) {
						t.Errorf("%s: %v, %s", name, r, got)
						return
					}
				}
			})
		}
		all.Wait()
	}
}

func BenchmarkMap(b *testing.B) {
	for name, s := range samples(b) {
		b.Run(name, func(b *testing.B) {
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				var r *event.Rejection
				if out, r = s.mapping.Map(out[:0], s.payload); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}
