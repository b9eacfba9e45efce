package processor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
)

// answers are those of a schema registry, one after the other; the last one stays.
type answers []error

func (a *answers) Schema(context.Context, int) (format.Schema, error) {
	err := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	return format.Schema{Text: "{}"}, err
}

// An outage of the registry is waited for, however long. That it has no such schema is believed when it has said so several times, and at once when ids
// have been made up before.
func TestWaitingForASchema(t *testing.T) {
	down, unknown := errors.New("refused"), format.ErrUnknownSchema
	lasting := make(answers, 200)
	for i := range lasting {
		lasting[i] = down
	}
	synctest.Test(t, func(t *testing.T) { // the clock is that of the bubble
		l := &lane{log: zap.NewNop(), cfg: &Config{SessionTimeout: time.Minute}, now: time.Now, report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry()))}
		id := 7
		ask := func(a answers, h *hand) (time.Duration, error) {
			l.writers = &a
			began := time.Now()
			_, err := l.schemas(t.Context(), h)(id)
			return time.Since(began), err
		}
		if took, err := ask(append(lasting, nil), &hand{}); err != nil || took < time.Hour {
			t.Error(took, err)
		}
		if _, err := ask(answers{unknown, unknown, nil}, &hand{}); err != nil {
			t.Error("another node of the registry has it:", err)
		}
		h := &hand{}
		for i := range patientUnknowns + 2 {
			id = i
			took, err := ask(answers{unknown}, h)
			if !errors.Is(err, unknown) || took > 10*time.Second || (took == 0) != (i >= patientUnknowns) {
				t.Errorf("id %d took %v: %v", i, took, err)
			}
		}
		if took, err := ask(answers{nil}, h); !errors.Is(err, unknown) || took > 0 {
			t.Error("its word does not hold:", took, err)
		}
		time.Sleep(unknownFor) // of the bubble's clock
		if took, err := ask(answers{unknown}, h); !errors.Is(err, unknown) || took > 0 {
			t.Error("of an id that it was asked for before it is asked once:", took, err)
		}
		time.Sleep(unknownFor)
		if _, err := ask(answers{nil}, h); err != nil {
			t.Error("it was mended:", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l.writers = &answers{down}
		if _, err := l.schemas(ctx, &hand{})(7); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// What decides how records are read is in the fingerprint; where nothing is configured, it is as it was before there were formats.
func TestFingerprintOfFormats(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Config){
		"nothing":         func(*Config) {},
		"a format":        func(c *Config) { c.Formats = map[string]format.Format{"a": format.Avro} },
		"another format":  func(c *Config) { c.Formats = map[string]format.Format{"a": format.Protobuf} },
		"a registry":      func(c *Config) { c.SchemaRegistry = true },
		"a mapping":       func(c *Config) { c.Mappings = map[string]format.Mapper{"a": mapper("root = this")} },
		"another mapping": func(c *Config) { c.Mappings = map[string]format.Mapper{"a": mapper("root = {}")} },
		"another topic":   func(c *Config) { c.Mappings = map[string]format.Mapper{"b": mapper("root = this")} },
	} {
		c := benchConfig()
		change(c)
		f := c.Fingerprint()
		if other, twice := seen[f]; twice || f != c.Fingerprint() {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[f] = name
	}
	c := benchConfig()
	c.Mappings, c.Formats = map[string]format.Mapper{}, map[string]format.Format{}
	if seen[c.Fingerprint()] != "nothing" {
		t.Error("empty maps are something")
	}
}

type mapper string

func (m mapper) Map(out, payload []byte) ([]byte, *event.Rejection) {
	return append(out, payload...), nil
}
func (m mapper) String() string { return string(m) }
