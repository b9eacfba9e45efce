package audience

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
)

// Joined is what came of a Join.
type Joined struct {
	Audience int // pseudonyms
	Matched  int // of them, those whose id the mapping has
	Rows     int // of the mapping
}

// Join writes the rows of a mapping whose customers are in an audience, with the reason. Both are CSV with a header: the audience has customer and reason, the
// mapping id, and type where its customers are not all of the kind that is given; what else the mapping has is kept. The pseudonym of each id is computed
// here, as event.Pseudonym does where events are read.
func Join(secret []byte, kind string, audience, mapping io.Reader, out io.Writer) (Joined, error) {
	var j Joined
	reasons := map[uint64]string{}
	err := records(audience, "the audience", func(header, row []string) error {
		customer, reason := slices.Index(header, "customer"), slices.Index(header, "reason")
		if customer < 0 || reason < 0 {
			return errors.New("it needs columns customer and reason, as tillstream audience writes them")
		}
		if row == nil {
			return nil
		}
		n, err := strconv.ParseUint(row[customer], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a pseudonym", row[customer])
		}
		reasons[n] = row[reason]
		return nil
	})
	if err != nil {
		return j, err
	}
	j.Audience = len(reasons)
	matched := map[uint64]bool{}
	w := csv.NewWriter(out)
	err = records(mapping, "the mapping", func(header, row []string) error {
		id, typ := slices.Index(header, "id"), slices.Index(header, "type")
		if id < 0 {
			return errors.New("it needs a column id")
		}
		if row == nil {
			return w.Write(append(slices.Clone(header), "reason"))
		}
		j.Rows++
		k := kind
		if typ >= 0 {
			k = row[typ]
		}
		n := event.Pseudonym(secret, k, row[id])
		reason, ok := reasons[n]
		if !ok {
			return nil
		}
		matched[n] = true
		return w.Write(append(slices.Clone(row), reason))
	})
	if err != nil {
		return j, err
	}
	j.Matched = len(matched)
	w.Flush()
	return j, w.Error()
}

// records calls f with the header alone, then with every row.
func records(r io.Reader, what string, f func(header, row []string) error) error {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // spreadsheets begin a file with it
	row := []string(nil)
	for {
		if err := f(header, row); err != nil {
			line, _ := in.FieldPos(0)
			return fmt.Errorf("reading %s, line %d: %w", what, line, err)
		}
		if row, err = in.Read(); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", what, err)
		}
	}
}
