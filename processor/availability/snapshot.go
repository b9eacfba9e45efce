package availability

// snapshot is all that must be known of the time before a full hour, to evaluate the time after it: what was heard last, the
// run that was under way, and how many rows of each table began before. No evidence that is still accepted reaches behind it.
type snapshot struct {
	at   int64
	from int64 // the hour of the evidence that is of `at` or later, by what it says itself: at, where no clock is wrong
	heard
	run    run    // the one just before at
	hidden Status // of the run that was under way then in a time that no registered life reaches: run is of nothing, and its cause is that of this one

	rows totals
}

// totals count a terminal's live rows in the other tables.
type totals struct{ hours, intervals, outages uint64 }

// theBeginning is the snapshot before any evidence.
func theBeginning() snapshot {
	return snapshot{at: beginningOfTime, from: beginningOfTime, run: run{start: beginningOfTime}}
}

// nothing says that nothing is known of the time before.
func (s *snapshot) nothing() bool {
	return s.status == None && !s.sale && s.run.status == None && s.rows == totals{}
}

// snapshotAt moves a snapshot on, to a full hour that the walk has passed.
func snapshotAt(at int64, from *snapshot, ev []Evidence, w *walk, hours []hour) snapshot {
	s := snapshot{at: at, from: at, heard: from.heard}
	for i := range ev {
		if ev[i].Time >= at {
			break
		}
		s.heard.add(&ev[i])
	}
	for i := range w.runs {
		if i > 0 && w.runs[i].start >= at {
			break
		}
		s.run = w.runs[i]
	}
	if s.run.status == None {
		if s.run.cause = ""; at == from.at {
			s.hidden, s.run.cause = from.hidden, from.run.cause
		} else if i := runsBefore(w.under, at); i > 0 && w.under[i-1].status != None {
			s.hidden, s.run.cause = w.under[i-1].status, w.under[i-1].cause
		}
	}
	if c := s.run.cause; (s.run.status == Silent || s.hidden == Silent) && (c == lineCut || c == reboot) {
		s.run.cause = "" // what comes later said so, and may change
	}
	s.rows = count(from, w, hours, at)
	return s
}

// count adds to the snapshot's rows those that begin after it and before the given instant.
func count(from *snapshot, w *walk, hours []hour, before int64) totals {
	t := from.rows
	for i := range w.runs {
		r := &w.runs[i]
		if r.start < from.at || r.start >= before || r.status == None {
			continue
		}
		t.intervals++
		if r.status == Down {
			t.outages++
		}
	}
	for i := range hours {
		if hours[i].start < before {
			t.hours++
		}
	}
	return t
}

// causeOf is the cause of what is under way at an instant by what was heard: if that is a run that was hidden, of what began it.
func (s *snapshot) causeOf(x int64, status Status, cause string) string {
	if x == s.at && status == s.hidden && status != None {
		return s.run.cause
	}
	return cause
}
