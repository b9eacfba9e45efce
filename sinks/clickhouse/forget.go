package clickhouse

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/forget"
)

var _ processor.Forgotten = (*Sink)(nil)

// ForgottenEntries counts the entries of the list of the forgotten.
func (s *Sink) ForgottenEntries(ctx context.Context) (n uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&n) }, "SELECT count() FROM tillstream.forgotten")
	return n, err
}

// Forgotten is the list of the forgotten.
func (s *Sink) Forgotten(ctx context.Context) (all []forget.Entry, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var hash, key string
		if err := r.Scan(&hash, &key); err != nil {
			return err
		}
		if len(hash) != len(forget.Hash{}) || len(key) != len(forget.Hash{}) {
			return fmt.Errorf("a hash of %d bytes under a key of %d, want %d: restore the table", len(hash), len(key), len(forget.Hash{}))
		}
		all = append(all, forget.Entry{Hash: forget.Hash([]byte(hash)), Key: forget.Hash([]byte(key))})
		return nil
	}, "SELECT CAST(unhex(hex(hash)) AS String), CAST(unhex(hex(key)) AS String) FROM tillstream.forgotten")
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.forgotten: %w", err)
	}
	return all, nil
}

const forgetKey = "forget_key"

// PutForgetKey notes under which secret members know customers. It tells nothing of the secret.
func (s *Sink) PutForgetKey(ctx context.Context, secret []byte) error {
	return s.put(ctx, "settings", "", "INSERT INTO tillstream.settings (name, value, changed_at)", forgetKey, keyNumber(secret), s.now().UnixMilli())
}

// IsForgetKey says whether members know customers under a secret; known is false where no member has said so.
func (s *Sink) IsForgetKey(ctx context.Context, secret []byte) (same, known bool, err error) {
	var value int64
	err = s.rows(ctx, func(r driver.Rows) error {
		known = true
		return r.Scan(&value)
	}, "SELECT value FROM tillstream.settings FINAL WHERE name = {name:String}", ch.Named("name", forgetKey))
	return value == keyNumber(secret), known, err
}

func keyNumber(secret []byte) int64 {
	key := forget.NewHasher(secret).Entry(0).Key
	return int64(binary.BigEndian.Uint64(key[:]))
}

// Erasure is one run of tillstream forget. Whom it erases stands in tillstream.forgetting until it is done, where statements and mutations find them, and in no statement.
type Erasure struct {
	ID, By, Reason string
	At             time.Time
	Customers      []uint64 // pseudonyms, each once

	sink *Sink
}

// Occupied says that another run is at work, or was cut short.
type Occupied struct {
	By    string
	Since time.Time
}

func (o *Occupied) Error() string {
	return fmt.Sprintf("customers are being forgotten by %s since %s, and two at once would take off twice what they take off: wait for that; if it does not run any more, finish it with --resume",
		o.By, o.Since.UTC().Format(time.RFC3339))
}

// mostForgotten is how many customers one run takes, so that what is taken off a month is one block.
const mostForgotten = 10_000

// rehearsal is how the ids of runs begin that change nothing: nobody needs to wait for them, or to finish them.
const rehearsal = "rehearsal-"

// Erasure begins a run. The error is an *Occupied if another is at work. A rehearsal only searches.
func (s *Sink) Erasure(ctx context.Context, by, reason string, customers []uint64, rehearse bool) (*Erasure, error) {
	if err := s.Single("tillstream forget"); err != nil { // it could not see that every replica has forgotten
		return nil, err
	}
	if len(customers) > mostForgotten {
		return nil, fmt.Errorf("%d customers are too many for one run, which takes %d: split them", len(customers), mostForgotten)
	}
	x := &Erasure{ID: rand.Text(), By: by, Reason: reason, At: s.now(), Customers: customers, sink: s}
	if err := s.endRehearsals(ctx); err != nil {
		return nil, err
	}
	if rehearse {
		x.ID = rehearsal + x.ID
	} else if err := x.alone(ctx); err != nil {
		return nil, err
	}
	rows := make([][]any, len(customers))
	for i, c := range customers {
		rows[i] = []any{x.ID, by, reason, x.At.UnixMilli(), uint32(i / searchedAtOnce), c}
	}
	if err := s.putAll(ctx, "forgetting", "", "INSERT INTO tillstream.forgetting (run, by, reason, since, part, customer)", rows); err != nil {
		return nil, err
	}
	if rehearse {
		return x, nil
	}
	if err := x.alone(ctx); err != nil { // of two that begin at once, one or none goes on
		return nil, errors.Join(err, x.Close(ctx))
	}
	return x, nil
}

// endRehearsals closes those that were killed.
func (s *Sink) endRehearsals(ctx context.Context) error {
	var old []*Erasure
	err := s.rows(ctx, func(r driver.Rows) error {
		x := &Erasure{sink: s}
		old = append(old, x)
		return r.Scan(&x.ID)
	}, "SELECT DISTINCT run FROM tillstream.forgetting WHERE startsWith(run, {rehearsal:String}) AND since < now() - INTERVAL 6 HOUR", ch.Named("rehearsal", rehearsal))
	for _, x := range old {
		err = errors.Join(err, x.Close(ctx))
	}
	return err
}

// Resume takes up the run that was cut short; nil if there is none.
func (s *Sink) Resume(ctx context.Context) (x *Erasure, err error) {
	if err := s.Single("tillstream forget"); err != nil { // it could not see that every replica has forgotten
		return nil, err
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		x = &Erasure{sink: s}
		return r.Scan(&x.ID, &x.By, &x.Reason, &x.At, &x.Customers)
	}, "SELECT run, any(by), any(reason), any(since), groupArray(customer) FROM (SELECT * FROM tillstream.forgetting WHERE NOT startsWith(run, {rehearsal:String}) ORDER BY part) GROUP BY run LIMIT 1",
		ch.Named("rehearsal", rehearsal))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.forgetting: %w", err)
	}
	return x, nil
}

// alone says who else is at work.
func (x *Erasure) alone(ctx context.Context) error {
	var other *Occupied
	err := x.sink.rows(ctx, func(r driver.Rows) error {
		other = &Occupied{}
		return r.Scan(&other.By, &other.Since)
	}, "SELECT by, since FROM tillstream.forgetting WHERE run != {run:String} AND NOT startsWith(run, {rehearsal:String}) LIMIT 1", ch.Named("run", x.ID), ch.Named("rehearsal", rehearsal))
	if err == nil && other != nil {
		return other
	}
	return err
}

// Close ends a run: nothing knows its customers any more. One that is not closed can be resumed.
func (x *Erasure) Close(ctx context.Context) error {
	for _, table := range [...]string{"forgetting", "forgetting_values"} {
		if err := x.drop(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

// drop takes the run out of a table that has it in a partition of its own, whose files go at once.
func (x *Erasure) drop(ctx context.Context, table string) error {
	if err := x.sink.exec(ctx, fmt.Sprintf("ALTER TABLE tillstream.%s DROP PARTITION '%s'", table, x.ID)); err != nil {
		return fmt.Errorf("taking customers out of tillstream.%s: %w", table, err)
	}
	return nil
}

// remembered says whether all customers are where statements look for them: else they would find none.
func (x *Erasure) remembered(ctx context.Context) error {
	var n uint64
	err := x.sink.rows(ctx, func(r driver.Rows) error { return r.Scan(&n) }, "SELECT count() FROM tillstream.forgetting WHERE run = {run:String}", ch.Named("run", x.ID))
	if err == nil && n != uint64(len(x.Customers)) {
		return errors.New("somebody took customers out of tillstream.forgetting meanwhile, or finished this run: run it again with the same customers")
	}
	return err
}

// List puts the customers on the list of the forgotten, and the run on record. From now on batches are folded without them, and a window later nothing is written
// any more that names them.
func (x *Erasure) List(ctx context.Context, secret []byte) error {
	if err := x.record(ctx, nil, false); err != nil {
		return err
	}
	there, err := x.sink.Forgotten(ctx)
	if err != nil {
		return err
	}
	known := make(map[forget.Hash]bool, len(there))
	for _, e := range there {
		known[e.Hash] = true
	}
	hasher := forget.NewHasher(secret)
	var rows [][]any
	for _, c := range x.Customers {
		if e := hasher.Entry(c); !known[e.Hash] {
			rows = append(rows, []any{string(e.Hash[:]), string(e.Key[:]), x.ID, x.At.UnixMilli()})
		}
	}
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	if len(rows) == 0 {
		return nil
	}
	return x.sink.putAll(ctx, "forgotten", "", "INSERT INTO tillstream.forgotten (hash, key, erasure, at)", rows)
}

// Record says that the run is complete, and how many rows named its customers, by table.
func (x *Erasure) Record(ctx context.Context, tables map[string]uint64) error {
	return x.record(ctx, tables, true)
}

func (x *Erasure) record(ctx context.Context, tables map[string]uint64, complete bool) error {
	if tables == nil {
		tables = map[string]uint64{}
	}
	var completed *time.Time
	version := uint8(1)
	if complete {
		now := x.sink.now()
		completed, version = &now, 2
	}
	return x.sink.put(ctx, "erasures", "", "INSERT INTO tillstream.erasures (id, at, by, reason, customers, tables, completed_at, version)",
		x.ID, x.At.UnixMilli(), x.By, x.Reason, uint64(len(x.Customers)), tables, completed, version)
}

// Rebuilding says whether tables are being made anew: they may have been begun under an older list.
func (s *Sink) Rebuilding(ctx context.Context) (there bool, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&there) }, "SELECT count() > 0 FROM system.databases WHERE name = {shadow:String}", ch.Named("shadow", shadow))
	return there, err
}

// these are the customers of a run, in a statement: a column of tillstream.forgetting.
func (x *Erasure) these(column string) string {
	return fmt.Sprintf("(SELECT %s FROM tillstream.forgetting WHERE run = '%s')", column, x.ID)
}

// literal is a name in quotes.
func literal(name string) string { return "`" + strings.ReplaceAll(name, "`", "\\`") + "`" }
