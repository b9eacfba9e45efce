package config

import (
	"strings"
)

// nearest is the known name that was probably meant: the same but for a slip or two, or the last part of it in another section.
// It is "" if none is near.
func nearest(given string, known []string, separator byte) string {
	last := func(s string) string { return s[strings.LastIndexByte(s, separator)+1:] }
	best, least := "", max(2, len(last(given))/3)+1
	for _, k := range known {
		d := distance(given, k)
		if separator == '.' {
			d = min(d, distance(last(given), last(k))+1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many bytes have to be inserted, deleted or replaced to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
