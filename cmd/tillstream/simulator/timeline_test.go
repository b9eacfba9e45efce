package simulator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/availability"
)

var availabilityStatus = [statuses]availability.Status{
	up: availability.Up, degraded: availability.Degraded, down: availability.Down, inMaintenance: availability.Maintenance,
	closing: availability.Closing, disabled: availability.Disabled, silent: availability.Silent,
}

// outagesOf has package availability tell what was heard.
func outagesOf(all []heard) (out []Outage) {
	evidence := make([]availability.Evidence, len(all))
	for i, x := range all {
		evidence[i] = availability.Evidence{Time: x.at, Start: x.start, Sequence: x.sequence, Hold: x.hold, Status: availabilityStatus[x.status], Sale: x.sale}
	}
	for _, r := range availability.Timeline(availability.Config{}, evidence) {
		if r.Status == availability.Down {
			if r.End == availability.Open {
				r.End = 0
			}
			out = append(out, Outage{Start: r.Start, End: r.End})
		}
	}
	return out
}

func told(all []heard) []Outage {
	l := timeline{pending: append([]heard(nil), all...)}
	l.finish()
	return l.outages
}

// A till that was down and is switched off, or works again, is heard last at the very end of its outage: that has ended.
func TestOutageThatTheNewestReportEnds(t *testing.T) {
	for status, want := range map[uint8]int64{down: 0, closing: 2 * minute, up: 2 * minute, inMaintenance: 2 * minute} {
		all := []heard{{start: minute, at: minute, hold: hour, status: down}, {start: 2 * minute, at: 2 * minute, hold: hour, status: status}}
		if d := cmp.Diff([]Outage{{Start: minute, End: want}}, told(all)); d != "" {
			t.Errorf("%v at last (-want +got):\n%s", availabilityStatus[status], d)
		}
	}
}

// Whatever is heard, in however few words, the outages of the truth are those of the definitions.
func TestOutagesOfShortTimelines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := make([]heard, rapid.IntRange(1, 6).Draw(t, "n"))
		for i := range all {
			x := &all[i]
			x.at, x.sequence = rapid.Int64Range(0, 9).Draw(t, "at")*minute, uint64(i+1)
			x.start = x.at
			if x.sale = rapid.IntRange(0, 2).Draw(t, "sale") == 0; x.sale {
				x.start -= rapid.Int64Range(0, 5).Draw(t, "lasts") * minute
				continue
			}
			x.status = rapid.SampledFrom([]uint8{up, degraded, down, down, inMaintenance, closing, disabled}).Draw(t, "status")
			x.hold = rapid.Int64Range(1, 4).Draw(t, "hold") * minute
		}
		if d := cmp.Diff(outagesOf(all), told(all)); d != "" {
			t.Fatalf("%+v (-availability +truth):\n%s", all, d)
		}
	})
}
