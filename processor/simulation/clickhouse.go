package simulation

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/rollup"
)

// clickhouse holds what was inserted: one part an INSERT, visible at once and whole.
type clickhouse struct {
	parts    []part
	tokens   map[string]time.Time // when each was first used
	forgets  time.Duration        // how long a token is remembered; 0: for ever
	streams  []processor.Stream   // by epoch, of the one group
	losses   []processor.Loss
	contents map[string]uint64 // what was to be written under each token
	unequal  []string

	fails bool // the INSERT that comes next remembers its token, and fails before its part is there

	forgotten []forget.Entry
	amiss     bool // batches under way were folded under another list than those after them
}

func newClickHouse() *clickhouse {
	return &clickhouse{tokens: map[string]time.Time{}, contents: map[string]uint64{}}
}

type part struct {
	table string
	month uint32
	lane  string
	mark  string
	block *rollup.Block
}

// offered notes what a client wants to write, whether or not it arrives. Whoever writes a block again must write the same, or what it
// means would depend on which of the two came first.
func (c *clickhouse) offered(in processor.Insert) {
	if in.Block.Table == commit.ClaimTable || c.amiss { // which are what they are for
		return
	}
	content := digest(in.Block)
	if before, known := c.contents[in.Token]; known && before != content {
		c.unequal = append(c.unequal, "block "+in.Block.Name()+" of "+in.Lane+" is written again with other rows: "+in.Mark)
	}
	c.contents[in.Token] = content
}

// insert makes a part, or silently nothing if the table remembers the token, whatever the rows are: as measured.
func (c *clickhouse) insert(in processor.Insert) {
	token := in.Fresh()
	if used, known := c.tokens[token]; known && in.Token != "" && (c.forgets == 0 || time.Since(used) < c.forgets) {
		return
	}
	c.tokens[token] = time.Now()
	if c.fails && in.Block.Table != commit.ClaimTable { // a lane whose claim is lost needs a person
		return
	}
	c.parts = append(c.parts, part{in.Block.Table, in.Block.Month, in.Lane, in.Mark, in.Block})
}

// decided are the losses of epochs that began, by whom they were begun.
func (c *clickhouse) decided() (all []processor.Loss) {
	for _, e := range c.streams {
		for _, l := range c.losses {
			if l.Epoch == e.Epoch && l.Reason == e.Reason && l.By == e.By {
				all = append(all, l)
			}
		}
	}
	return all
}

// digest is of a block's rows in their order, without the moment of writing.
func digest(b *rollup.Block) uint64 {
	h := fnv.New64a()
	for _, c := range b.Columns {
		if c.Name != "written_at" {
			fmt.Fprintf(h, "%s%v", c.Name, c.Data)
		}
	}
	return h.Sum64()
}

// marks are the newest of each table and month, and of each epoch's claims, of the first n parts.
func (c *clickhouse) marks(lane string, n int, tables ...string) []processor.TableMark {
	type key struct {
		processor.TableMark
		epoch string
	}
	newest := map[key]string{}
	for _, p := range c.parts[:n] {
		if p.lane != lane || len(tables) > 0 && !slices.Contains(tables, p.table) {
			continue
		}
		k := key{TableMark: processor.TableMark{Table: p.table, Month: p.month}}
		if p.table == commit.ClaimTable {
			k.epoch, _, _ = strings.Cut(p.mark, "/")
		}
		newest[k] = max(newest[k], p.mark)
	}
	var out []processor.TableMark
	for k, mark := range newest {
		k.Mark = mark
		out = append(out, k.TableMark)
	}
	slices.SortFunc(out, func(a, b processor.TableMark) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Month, b.Month), cmp.Compare(a.Mark, b.Mark))
	})
	return out
}

// versioned is a row of the state table.
type versioned struct {
	rollup.StateRow
	owner   string
	version uint64
}

// state is the newest of each row of the owners, by version, as of the first n parts.
func (c *clickhouse) state(owners []string, n int) []versioned {
	newest := map[string]versioned{}
	for _, p := range c.parts[:n] {
		if p.table != commit.StateTable {
			continue
		}
		b := p.block
		owner, kind, key := column[string](b, "lane"), column[string](b, "kind"), column[string](b, "key")
		version, deleted, value := column[uint64](b, "version"), column[uint8](b, "deleted"), column[string](b, "value")
		for i := 1; i <= b.Rows; i++ {
			if !slices.Contains(owners, owner[i]) {
				continue
			}
			id := owner[i] + "\x00" + kind[i] + "\x00" + key[i]
			if old, ok := newest[id]; ok && old.version > version[i] {
				continue
			}
			_, partition, _ := strings.Cut(owner[i], "#")
			number, _ := strconv.Atoi(partition)
			newest[id] = versioned{
				rollup.StateRow{Partition: int32(number), Kind: kind[i], Key: key[i], Value: []byte(value[i]), Deleted: deleted[i] != 0}, owner[i], version[i],
			}
		}
	}
	maps.DeleteFunc(newest, func(_ string, r versioned) bool { return r.Deleted })
	return slices.SortedFunc(maps.Values(newest), func(a, b versioned) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.owner, b.owner), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

func column[T any](b *rollup.Block, name string) []T {
	for _, c := range b.Columns {
		if c.Name == name {
			return c.Data.([]T)
		}
	}
	panic(fmt.Sprintf("block %s has no column %s", b.Name(), name))
}

// sink is how one member reaches ClickHouse: processor.Sink and processor.Streams.
type sink struct{ *member }

// Insert sends what is late, too, as a process does that was stopped after its last look at the clock; but not where tokens are not remembered
// for that long.
func (s sink) Insert(ctx context.Context, in processor.Insert) error {
	if err := ctx.Err(); err != nil && s.world.clickhouse.forgets > 0 {
		return err
	}
	s.world.mu.Lock()
	s.world.clickhouse.offered(in)
	s.world.mu.Unlock()
	return s.world.call(ctx, s.member, kindInsert, in.Lane+" "+in.Block.Name()+" "+in.Mark[:25], nil, func() error {
		s.world.clickhouse.insert(in)
		return nil
	})
}

func (s sink) Marks(ctx context.Context, lane string, tables ...string) (marks []processor.TableMark, err error) {
	err = s.world.call(ctx, s.member, kindRead, strings.Join(append([]string{"marks", lane}, tables...), " "), nil, func() error {
		marks = s.world.clickhouse.marks(lane, s.world.visible(), tables...)
		return nil
	})
	return marks, err
}

func (s sink) State(ctx context.Context, owners []string, row func(rollup.StateRow) error) error {
	var rows []versioned
	err := s.world.call(ctx, s.member, kindRead, fmt.Sprint("state ", owners), nil, func() error {
		rows = s.world.clickhouse.state(owners, s.world.visible())
		return nil
	})
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r versioned) bool { return r.Kind == rollup.KindPast })
	for _, r := range rows {
		if err := row(r.StateRow); err != nil {
			return err
		}
	}
	return nil
}

// transactions are those that a query asks for, of the first n parts, as of the real table's WHERE.
func (c *clickhouse) transactions(q correction.Query, before rollup.Version, n int) (found []correction.Row) {
	for _, p := range c.parts[:n] {
		if p.table != correction.Table {
			continue
		}
		version := column[uint64](p.block, "version")[0]
		if version >= before.Uint64() {
			continue
		}
		if err := correction.Search(p.block, q, func(r correction.Row) error {
			r.Old = version < (rollup.Version{Epoch: before.Epoch}).Uint64()
			found = append(found, r)
			return nil
		}); err != nil {
			panic(err)
		}
	}
	return found
}

func (s sink) Transactions(ctx context.Context, q correction.Query, before rollup.Version, row func(correction.Row) error) error {
	var rows []correction.Row
	err := s.world.call(ctx, s.member, kindRead, fmt.Sprint("transactions ", q, before), nil, func() error {
		rows = s.world.clickhouse.transactions(q, before, s.world.visible())
		return nil
	})
	for _, r := range rows {
		if err == nil {
			err = row(r)
		}
	}
	return err
}

func (s sink) Past(ctx context.Context, owner string, keys []string, row func(r rollup.StateRow, version uint64) error) error {
	var rows []versioned
	err := s.world.call(ctx, s.member, kindRead, fmt.Sprint("past ", owner, len(keys)), nil, func() error {
		rows = s.world.clickhouse.state([]string{owner}, s.world.visible())
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Kind != rollup.KindPast || !slices.Contains(keys, r.Key) {
			continue
		}
		if err := row(r.StateRow, r.version); err != nil {
			return err
		}
	}
	return nil
}

func (s sink) Stream(ctx context.Context, _ string) (stream processor.Stream, ok bool, err error) {
	err = s.world.call(ctx, s.member, kindRead, "stream", nil, func() error {
		if all := s.world.clickhouse.streams; len(all) > 0 {
			stream, ok = all[len(all)-1], true
			stream.Losses = s.world.clickhouse.decided()
		}
		return nil
	})
	return stream, ok, err
}

// BeginStream keeps the first row of an epoch: a token sees to it.
func (s sink) BeginStream(ctx context.Context, stream processor.Stream) error {
	own := slices.DeleteFunc(slices.Clone(stream.Losses), func(l processor.Loss) bool { return l.Epoch != stream.Epoch })
	if len(own) > 0 {
		err := s.world.call(ctx, s.member, kindInsert, fmt.Sprint("losses ", stream.Epoch), nil, func() error {
			for _, l := range own {
				if !slices.Contains(s.world.clickhouse.losses, l) {
					s.world.clickhouse.losses = append(s.world.clickhouse.losses, l)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.world.call(ctx, s.member, kindInsert, fmt.Sprint("epoch ", stream.Epoch), nil, func() error {
		all := &s.world.clickhouse.streams
		if !slices.ContainsFunc(*all, func(e processor.Stream) bool { return e.Epoch == stream.Epoch }) {
			*all = append(*all, stream)
			slices.SortFunc(*all, func(a, b processor.Stream) int { return cmp.Compare(a.Epoch, b.Epoch) })
		}
		return nil
	})
}

func (s sink) PutStream(ctx context.Context, stream processor.Stream) error {
	return s.world.call(ctx, s.member, kindInsert, fmt.Sprint("epoch again ", stream.Epoch), nil, func() error {
		for i, e := range s.world.clickhouse.streams {
			if e.Epoch == stream.Epoch {
				s.world.clickhouse.streams[i] = stream
			}
		}
		return nil
	})
}
