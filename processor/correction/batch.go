package correction

import (
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// An open batch is kept in pieces: a slice that grows would be copied again and again.
const (
	pieceRows  = 1 << 9
	pieceTexts = 64 << 10 // bytes
)

// Packs end after so many transactions, and when they have so many bytes: of the parts of a row that is looked for all are read.
const (
	packRows  = 256
	packBytes = 64 << 10
)

// kept is a transaction of the open batch. It has no pointers, which the garbage collector would follow.
type kept struct {
	at, offset int64
	customer   uint64
	pack       int32
	text       span // id and content
	id         uint16
}

// pack is a row of the table: transactions of one till, as they came. What corrects, and what came after what corrects it, is one of its own.
type pack struct {
	till, rows, bytes      int32
	month                  uint32
	at, first              int64 // of the newest; offset of the first
	correction, superseded bool  // superseded: when it came; no rollup has it
}

// tillKey is a till of a topic and a partition.
type tillKey struct {
	till  uint64 // see tillOf
	graph *graph
}

// till is what the open batch has of one.
type till struct {
	store, terminal string
	last            int32 // its pack that is not full, or none
}

// none is no pack.
const none int32 = -1

// sender is where the last transaction of a sender was kept, in a batch.
type sender struct {
	batch, store uint32
	till, pack   int32
}

// till finds the till of an event by its number, or begins it.
func (f *Fold) till(s *sender, g *graph, e *event.Event, in rollup.Input) {
	if s.batch == f.batch && f.stores.String(s.store) == e.StoreID {
		return
	}
	k := tillKey{tillOf(in.Topic, e.StoreID, e.TerminalID), g}
	known := f.tills.Len()
	n, t := f.tills.At(k.till, k)
	if n == known {
		f.room = append(append(f.room[:0], e.StoreID...), e.TerminalID...)
		names := f.texts.of(f.texts.keep(f.room))
		t.store, t.terminal, t.last = names[:len(e.StoreID)], names[len(e.StoreID):], none
	}
	s.batch, s.store, s.till, s.pack = f.batch, f.stores.ID(e.StoreID), int32(n), t.last
}

// pack finds the pack for one more transaction, or begins it. bytes are its texts.
func (f *Fold) pack(s *sender, at, offset int64, bytes int, correction, superseded bool) int32 {
	alone := correction || superseded
	if day := at / (24 * 60 * 60 * 1000); day != f.day || f.month == 0 {
		f.day, f.month = day, rollup.MonthOfUnix(at/1000)
	}
	if s.pack == none || alone || f.packs[s.pack].rows == packRows || f.packs[s.pack].bytes >= packBytes || f.packs[s.pack].month != f.month {
		s.pack = int32(len(f.packs))
		f.tills.Entries()[s.till].Value.last = s.pack
		f.packs = table.Push(f.packs, pack{till: s.till, month: f.month, first: offset, correction: correction, superseded: superseded})
	}
	p := &f.packs[s.pack]
	p.at = at // the clock does not go back
	p.rows++
	if p.bytes += int32(bytes); alone {
		p.bytes = packBytes
	}
	return s.pack
}

// row is a transaction as others see it, but for its key.
func (f *Fold) row(k *kept) Row {
	p := &f.packs[k.pack]
	t, text := &f.tills.Entries()[p.till], f.texts.of(k.text)
	return Row{
		Topic: t.Key.graph.topic, Partition: t.Key.graph.partition, Offset: k.offset, At: k.at, StoreID: t.Value.store, TerminalID: t.Value.terminal,
		ID: text[:k.id], Customer: k.customer, Correction: p.correction, Content: text[k.id:],
	}
}

// rows are the transactions of the open batch, in pieces that the next batch uses again.
type rows struct {
	pieces [][]kept
	n      int
}

func (r *rows) at(i int) *kept { return &r.pieces[i/pieceRows][i%pieceRows] }

// add makes room for one more, in which there may be something.
func (r *rows) add() *kept {
	if r.n == len(r.pieces)*pieceRows {
		r.pieces = append(r.pieces, make([]kept, pieceRows))
	}
	r.n++
	return r.at(r.n - 1)
}

// texts are what the open batch has of texts, in pieces that belong to those who have the strings: what was sealed needs no copy of its own.
type texts struct {
	full  []string // pieces
	piece strings.Builder
	bytes int // since reset
}

// span is where a text is.
type span struct{ piece, from, to uint32 }

func (t *texts) keep(b []byte) span {
	if t.piece.Cap()-t.piece.Len() < len(b) {
		if t.piece.Len() > 0 {
			t.full = append(t.full, t.piece.String())
		}
		t.piece = strings.Builder{}
		t.piece.Grow(max(pieceTexts, len(b)))
	}
	from := t.piece.Len()
	t.piece.Write(b)
	t.bytes += len(b)
	return span{uint32(len(t.full)), uint32(from), uint32(from + len(b))}
}

func (t *texts) of(at span) string {
	piece := t.piece.String()
	if int(at.piece) < len(t.full) {
		piece = t.full[at.piece]
	}
	return piece[at.from:at.to]
}

func (t *texts) reset() {
	clear(t.full)
	t.full, t.bytes = t.full[:0], 0
}
