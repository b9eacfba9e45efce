package simulation

// Shrink leaves out faults of a failing run as long as it still fails, and returns those left out. fails plays a run.
//
// It is delta debugging (Zeller and Hildebrandt 2002) in its plainest form: halves, quarters, … down to single faults.
func Shrink(o Options, faults int, fails func(Options) bool) map[int]bool {
	without := map[int]bool{}
	for size := max(1, faults/2); ; size /= 2 {
		for from := 0; from < faults; from += size {
			try := o
			try.Without = map[int]bool{}
			for n := range without {
				try.Without[n] = true
			}
			for n := from; n < min(from+size, faults); n++ {
				try.Without[n] = true
			}
			if len(try.Without) > len(without) && fails(try) {
				without = try.Without
			}
		}
		if size <= 1 {
			return without
		}
	}
}
