package incident

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
)

// examples are those of this package's types.
func examples(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	names, err := fs.Glob(schemas.FS, pattern)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, n := range names {
		value, err := schemas.FS.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for typ := range Bodies() {
			if bytes.Contains(value, []byte(`"`+typ+`"`)) {
				out[n] = value
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("no examples")
	}
	return out
}

func read(value []byte) (event.Event, *event.Rejection) {
	var e event.Event
	r := event.NewDecoder(event.Options{Bodies: Bodies()}).Decode(slices.Clone(value), &e)
	return e, r
}

func TestExamples(t *testing.T) {
	for name, value := range examples(t, "examples/*.json") {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		schema, _ := eventstest.Schema(t, doc.(map[string]any)["type"].(string))
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s against its schema: %v", name, err)
		}
		if e, r := read(value); r != nil || e.Body == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestInvalidExamples(t *testing.T) {
	for name, value := range examples(t, "examples/invalid/*.json") {
		reason, about, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".json"), "-")
		_, field, _ := strings.Cut(about, "_")
		_, r := read(value)
		if r == nil || string(r.Reason) != reason || r.Expected == "" || !strings.HasSuffix(strings.NewReplacer(".", "_").Replace(r.Field), field) {
			t.Errorf("%s: got %v", name, r)
		}
	}
}

// What is read, what the schemas say and what the examples use are the same fields.
func TestFieldsOfTypesSchemasAndExamples(t *testing.T) {
	for typ, c := range map[string]struct {
		example string
		body    reflect.Type
	}{
		event.TypeIncident:    {"examples/incident-every-field.json", reflect.TypeFor[saidIncident]()},
		event.TypeMaintenance: {"examples/maintenance-every-field.json", reflect.TypeFor[saidMaintenance]()},
	} {
		inSchema, inTypes, inExample := map[string]bool{}, map[string]bool{}, map[string]bool{}
		_, schema := eventstest.Schema(t, typ)
		fieldsOfSchema(schema, "", inSchema)
		fieldsOfType(c.body, "", inTypes)
		for _, f := range strings.Fields("id source time recorded_at sent_at sequence sequence_epoch corrects corrects.ids corrects.reason store_id terminal_id gln test") {
			inTypes[f] = true // of the envelope, which package event reads
		}
		if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inTypes))); d != "" {
			t.Errorf("%s (-schema +Go):\n%s", typ, d)
		}
		value, err := schemas.FS.ReadFile(c.example)
		if err != nil {
			t.Fatal(err)
		}
		var example any
		if err := json.Unmarshal(value, &example); err != nil {
			t.Fatal(err)
		}
		fieldsOfValue(example, "", inExample)
		maps.DeleteFunc(inSchema, func(name string, _ bool) bool { return strings.HasPrefix(name, "corrects") })
		if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inExample))); d != "" {
			t.Errorf("%s (-schema +example):\n%s", c.example, d)
		}
	}
}

func fieldsOfSchema(s map[string]any, prefix string, into map[string]bool) {
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		into[prefix+name] = true
		fieldsOfSchema(p.(map[string]any), prefix+name+".", into)
	}
}

func fieldsOfType(t reflect.Type, prefix string, into map[string]bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			fieldsOfType(f.Type, prefix, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		into[prefix+name] = true
		fieldsOfType(f.Type, prefix+name+".", into)
	}
}

func fieldsOfValue(v any, prefix string, into map[string]bool) {
	if m, ok := v.(map[string]any); ok {
		for name, x := range m {
			into[prefix+name] = true
			fieldsOfValue(x, prefix+name+".", into)
		}
	}
}

func TestRejectionsNameTheField(t *testing.T) {
	base := incidentStep("1", "opened", on(1, "10:00"))
	work := workStep("1", "announced", on(1, "10:00"))
	window := func(more fields) fields { return work.with(fields{"window": more}) }
	for _, c := range []struct {
		value  fields
		reason event.Reason
		field  string
	}{
		{base.with(fields{"step": 7}), event.ReasonWrongType, "step"},
		{base.with(fields{"by": []string{"ann"}}), event.ReasonWrongType, "by"},
		{base.with(fields{"scope": fields{"terminals": []any{"t1", 2}}}), event.ReasonWrongType, "scope.terminals"},
		{base.with(fields{"scope": fields{"terminals": []any{"t1", ""}}}), event.ReasonMissingField, "scope.terminals[1]"},
		{base.with(fields{"incident_id": "a\x00b"}), event.ReasonInvalidValue, "incident_id"},
		{base.with(fields{"party": strings.Repeat("x", 129)}), event.ReasonInvalidValue, "party"},
		{base.with(fields{"reason": strings.Repeat("x", 2001)}), event.ReasonInvalidValue, "reason"},
		{base.with(fields{"started_at": "2026-03-01 10:00"}), event.ReasonInvalidValue, "started_at"},
		{base.with(fields{"started_at": "2300-03-01T10:00:00Z"}), event.ReasonOutOfRange, "started_at"},
		{window(fields{"start": on(1, "10:00"), "end": on(1, "09:00")}), event.ReasonInvalidValue, "window.end"},
		{window(fields{"end": on(1, "10:00")}), event.ReasonMissingField, "window.start"},
		{window(fields{"rrule": "FREQ=DAILY", "duration": "800h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.duration"},
		{window(fields{"rrule": "FREQ=DAILY", "timezone": "UTC"}), event.ReasonMissingField, "window.duration"},
		{window(fields{"rrule": "FREQ=DAILY;DTSTART=20260301T000000Z", "duration": "1h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.rrule"},
		{window(fields{"rrule": "FREQ=HOURLY", "duration": "1h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.rrule"},
		{window(fields{"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "duration": "1h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.rrule"},
		{window(fields{"rrule": "FREQ=DAILY;BYEASTER=366", "duration": "1h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.rrule"},
		{window(fields{"rrule": "every Sunday", "duration": "1h", "timezone": "UTC"}), event.ReasonInvalidValue, "window.rrule"},
		{window(fields{"rrule": "FREQ=DAILY", "duration": "1h", "timezone": "Mars/Base"}), event.ReasonInvalidValue, "window.timezone"},
		{base.with(fields{"store_id": ""}), event.ReasonMissingField, "store_id"},
	} {
		value, err := json.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if _, r := read(value); r == nil || r.Reason != c.reason || r.Field != c.field || r.Expected == "" {
			t.Errorf("%s: got %v", value, r)
		}
	}
}

// A card number does not get in, however it is spelled.
func TestCardNumbersAreMasked(t *testing.T) {
	for _, number := range []string{"4111111111111111", `411111111111\u0031\u0031\u0031\u0031`} {
		value := []byte(`{"id":"1","source":"desk","type":"pos.incident.v1","time":"2026-03-01T10:00:00Z","store_id":"s1","incident_id":"i1","step":"opened","reason":"card ` + number + `"}`)
		e, r := read(value)
		if r != nil {
			t.Fatal(r)
		}
		if got := e.Body.(*step).Reason; got != "card ************1111" {
			t.Errorf("%s is kept as %q", number, got)
		}
	}
}

// Whatever a rule says, it is refused or comes to an end, and so do its windows.
func TestRulesEnd(t *testing.T) {
	freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY", "?"})
	rapid.Check(t, func(t *rapid.T) {
		rule := "FREQ=" + freq.Draw(t, "freq")
		for _, part := range rapid.SliceOfN(rapid.SampledFrom([]string{"INTERVAL", "COUNT", "BYSETPOS", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE", "BYSECOND", "BYEASTER", "BYDAY", "UNTIL", "WKST"}), 0, 4).Draw(t, "parts") {
			rule += ";" + part + "=" + rapid.SampledFrom([]string{"1", "2", "-1", "30", "31", "53", "366", "1000", "99999999999", "0", "1,2,3", "-53", "-366", "MO", "53SU", "-5WE,TH", "20270101", "20270101T000000Z", "x", ""}).Draw(t, part)
		}
		f := workStep("1", "announced", on(1, "10:00")).with(fields{"window": fields{"rrule": rule, "duration": "1h", "timezone": "Europe/Paris"}})
		value, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		e, r := read(value)
		if r != nil {
			return
		}
		w := e.Body.(*step).Window
		from := begin.UnixMilli()
		last := int64(0)
		for x := range w.all(from) {
			if x.From >= from+lookahead {
				break
			}
			if x.From < last || x.To-x.From != 3_600_000 {
				t.Fatalf("%s: %v after %d", rule, x, last)
			}
			last = x.From
		}
	})
}
