package simulator

import "testing"

// A till counts from 1 again only when nothing that it sent before can come after: else nobody could tell the new numbers from repeats.
func TestReinstallOnlyWhenAllHasArrived(t *testing.T) {
	for name, c := range map[string]struct {
		cut     span // of the line, against the moment
		lastIn  int64
		install int
	}{
		"quiet":                     {span{}, -1, 2},
		"line is cut":               {span{-hour, hour}, -1, 1},
		"line will be cut":          {span{5 * minute, hour}, -1, 1},
		"something is under way":    {span{}, 0, 1},
		"a repeat will come later":  {span{}, 20 * minute, 1},
		"line was cut, and is back": {span{-2 * hour, -hour}, -40 * minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulate(t, small(1, 1)).chain.stores[0]
			till, at := s.tills[0], s.start+12*hour
			till.sequence = [topics]uint64{400, 4000}
			till.lastIn = at + c.lastIn
			s.cuts = []span{{at + c.cut.from, at + c.cut.to}}
			s.reinstall(till, at)
			want := [topics]uint64{400, 4001} // it only started again
			if c.install == 2 {
				want = [topics]uint64{1, 1}
			}
			if till.install != c.install || till.sequence != want {
				t.Errorf("installation %d with numbers %v, want %d with %v", till.install, till.sequence, c.install, want)
			}
		})
	}
}
