package processor

import (
	"context"
	"strconv"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Insert is one INSERT: a block with what makes it exactly once.
type Insert struct {
	Block *rollup.Block
	Lane  string // goes into the ledger row's lane column
	Mark  string // goes into the ledger row's mark column
	Token string // insert_deduplication_token
	Again int    // how often the table was found to remember the token without the rows
}

// Fresh is a token in place of Token that no INSERT has had before Again became what it is. It is only for tables in which rows are there, or never will be, once an INSERT with
// the same token is acknowledged: those of one server.
func (in *Insert) Fresh() string {
	if in.Again == 0 {
		return in.Token
	}
	return in.Token + "|" + strconv.Itoa(in.Again)
}

// TableMark is the newest mark that one ClickHouse partition of one table holds of a lane.
type TableMark struct {
	Table string
	Month uint32 // yyyymm; 0 for tables without partitions
	Mark  string
}

// Sink is where rollups go. Its methods may be called from several lanes at once.
type Sink interface {
	// Insert writes one block, ledger row first, as exactly one part, and returns when the server has acknowledged it. It
	// does not retry. After an error the outcome is unknown unless the error wraps ErrRejected.
	Insert(ctx context.Context, in Insert) error
	// Marks reads, from every table and month, the newest mark of a lane; from commit.ClaimTable the newest of each epoch. One query. Only
	// from some tables if they are named.
	Marks(ctx context.Context, lane string, tables ...string) ([]TableMark, error)
	// State reads the state rows of the given owners ("group#partition") but for those of rollup.KindPast, newest version, deleted ones left out, by ascending
	// version, those of one owner and version by kind: of two rows of one entity under two owners, the later is the newer. The row
	// is valid during the call.
	State(ctx context.Context, owners []string, row func(rollup.StateRow) error) error
}

// Archive finds what batches have written and lanes do not keep.
type Archive interface {
	// Transactions gives those that a query asks for, of batches before the given one: in the partition, and wherever they were in epochs before. Rows
	// may be kept.
	Transactions(ctx context.Context, q correction.Query, before rollup.Version, row func(correction.Row) error) error
	// Past reads the rows of rollup.KindPast that one owner ("group#partition") has under these keys, newest version, deleted ones left out, in any
	// order, and says their versions. The row is valid during the call.
	Past(ctx context.Context, owner string, keys []string, row func(r rollup.StateRow, version uint64) error) error
}

// Forgotten is the list of the customers who were forgotten. It only grows.
type Forgotten interface {
	// ForgottenEntries counts the entries of the list.
	ForgottenEntries(ctx context.Context) (uint64, error)
	// Forgotten gives all of them.
	Forgotten(ctx context.Context) ([]forget.Entry, error)
}

// DeadLetter is a record that could not be folded.
type DeadLetter struct {
	Topic      string
	Partition  int32
	Offset     int64
	Timestamp  int64 // Kafka's, ms
	Key, Value []byte
	Cut        int           // bytes that the record has behind Value
	Headers    fetch.Headers // of the record; they may say what it is written in
	Reason     string        // one of event.Reasons
	Field      string        // where in the event, "" if nowhere in particular
	Expected   string        // what would have been accepted
}

// Mask masks card numbers, in place.
func (l *DeadLetter) Mask() {
	event.MaskPANs(l.Key)
	event.MaskPANs(l.Value)
	for _, value := range l.Headers.All {
		event.MaskPANs(value)
	}
}

// DeadLetters takes records that could not be folded. Send returns when all are stored; it may be called again with the
// same letters after an error or a crash, so readers drop repeats by (topic, partition, offset).
type DeadLetters interface {
	Send(ctx context.Context, letters []DeadLetter) error
}
