package processor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

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
		l := &lane{log: zap.NewNop(), cfg: &Config{SessionTimeout: time.Minute}, report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry()))}
		ask := func(a answers, h *hand) (time.Duration, error) {
			l.writers = &a
			began := time.Now()
			_, err := l.schemas(t.Context(), h)(7)
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
			took, err := ask(answers{unknown}, h)
			if !errors.Is(err, unknown) || took > 10*time.Second || (took == 0) != (i >= patientUnknowns) {
				t.Errorf("id %d took %v: %v", i, took, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l.writers = &answers{down}
		if _, err := l.schemas(ctx, h)(7); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
