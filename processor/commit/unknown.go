package commit

import (
	"slices"
	"strconv"
	"strings"
)

// MaxUnknown is how many ids a batch may have judged unknown, so that its claim stays small (11 kB): a lane closes the batch that has so many.
const MaxUnknown = 1000

// Unknown are ids of schemas, in ascending order and each once, of which a schema registry said while a batch was folded that it has none: records with them are dead
// letters in that batch. The registry may learn of them later, so what it said is part of what the batch is. nil: it is not known what it said.
type Unknown []int

// Has says whether an id is among them.
func (u Unknown) Has(id int) bool {
	_, ok := slices.BinarySearch(u, id)
	return ok
}

// With has the id, too; u is not to be used any more.
func (u Unknown) With(id int) Unknown {
	if i, ok := slices.BinarySearch(u, id); !ok {
		return slices.Insert(u, i, id)
	}
	return u
}

// Equal compares two lists; not to know is not the same as none.
func (u Unknown) Equal(o Unknown) bool { return (u == nil) == (o == nil) && slices.Equal(u, o) }

// signed is a fingerprint with the list behind it, as "5e0c21aa+7,9": versions that know of no list read another fingerprint. Without a list it is
// the fingerprint.
func (u Unknown) signed(fingerprint string) string {
	if u == nil {
		return fingerprint
	}
	b := append([]byte(fingerprint), '+')
	for i, id := range u {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}

// unsigned takes apart what signed put together; anything else is a fingerprint.
func unsigned(text string) (fingerprint string, u Unknown) {
	fingerprint, list, ok := strings.Cut(text, "+")
	if !ok {
		return text, nil
	}
	u = Unknown{}
	for s := range strings.SplitSeq(list, ",") {
		if list == "" {
			break
		}
		id, err := strconv.Atoi(s)
		if err != nil {
			return text, nil
		}
		u = u.With(id)
	}
	if u.signed(fingerprint) != text {
		return text, nil
	}
	return fingerprint, u
}
