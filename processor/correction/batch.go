package correction

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// An open batch is kept in pieces: a slice that grows would be copied again and again.
const (
	pieceRows  = 1 << 9
	pieceTexts = 64 << 10 // bytes
)

// kept is a row of the open batch.
type kept struct {
	till, customer         uint64
	at, offset             int64
	graph                  *graph
	texts                  string // store, NUL, terminal, NUL, id and content
	store, terminal, id    uint16 // lengths
	correction, superseded bool   // superseded: when it came; no rollup has it
}

// row is the row as others see it.
func (k *kept) row() Row {
	r := Row{Key: xxhash.Sum64String(k.texts[:int(k.store)+int(k.terminal)+int(k.id)+2]), Topic: k.graph.topic, Partition: k.graph.partition, Offset: k.offset, Customer: k.customer, Correction: k.correction}
	texts := k.texts
	r.StoreID, texts = texts[:k.store], texts[k.store+1:]
	r.TerminalID, texts = texts[:k.terminal], texts[k.terminal+1:]
	r.ID, r.Content = texts[:k.id], texts[k.id:]
	return r
}

// rows are the rows of the open batch, in pieces that the next batch uses again.
type rows struct {
	pieces [][]kept
	n      int
}

func (r *rows) at(i int) *kept { return &r.pieces[i/pieceRows][i%pieceRows] }

// add makes room for one more.
func (r *rows) add() *kept {
	if r.n == len(r.pieces)*pieceRows {
		r.pieces = append(r.pieces, make([]kept, pieceRows))
	}
	r.n++
	return r.at(r.n - 1)
}

func (r *rows) reset() {
	for i := 0; i < r.n; i += pieceRows {
		clear(r.pieces[i/pieceRows])
	}
	r.n = 0
}

// texts copies what rows have of texts, into pieces that belong to those who have the strings: what was sealed needs no copy of its own.
type texts struct {
	piece strings.Builder
	bytes int // since reset
}

func (t *texts) keep(b []byte) string {
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.piece = strings.Builder{}
		t.piece.Grow(max(pieceTexts, len(b)))
	}
	from := t.piece.Len()
	t.piece.Write(b)
	t.bytes += len(b)
	return t.piece.String()[from:]
}

func (t *texts) reset() { t.bytes = 0 }
