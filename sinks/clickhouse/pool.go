package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/internal/renewed"
)

// pool is the connections to one server at a time, made with what the files of the configuration say now. Of several hosts it keeps to one for as long as that can
// be reached, since only that one surely has what was just written to it; then it takes the next.
type pool struct {
	options *renewed.Value[*ch.Options]

	mu      sync.Mutex
	conn    driver.Conn
	version uint64 // of the options that conn was made with
	moves   int    // from one host to the next; it says which one it is
	closed  bool
}

func (p *pool) use() (driver.Conn, error) {
	options, version := p.options.Get()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ch.ErrConnectionClosed
	}
	if p.conn != nil && p.version == version {
		return p.conn, nil
	}
	one := *options
	one.Addr = []string{options.Addr[p.moves%len(options.Addr)]}
	conn, err := ch.Open(&one)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	p.replace(conn)
	p.version = version
	return conn, nil
}

// replace ends what is idle; what is under way on the old connections ends there.
func (p *pool) replace(conn driver.Conn) {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.conn = conn
}

// move takes the next host, unless another call has.
func (p *pool) move(from driver.Conn) bool {
	if options, _ := p.options.Get(); len(options.Addr) < 2 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == from {
		p.replace(nil)
		p.moves++
	}
	return true
}

// host tells one host from the one before it.
func (p *pool) host() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moves
}

// do calls f, again where nothing can have been sent: over new connections if those were replaced a moment before, over those to the next host if there are none to
// this one.
func (p *pool) do(f func(driver.Conn) error) error {
	options, _ := p.options.Get()
	for try := 0; ; try++ {
		conn, err := p.use()
		if err != nil {
			return err
		}
		err = f(conn)
		again := errors.Is(err, ch.ErrConnectionClosed)
		if unreached(err) || readOnly(err) {
			again = p.move(conn) && !readOnly(err)
		}
		if !again || try == len(options.Addr) {
			return err
		}
	}
}

// unreached says whether there was no connection.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, ch.ErrAcquireConnTimeout)
}

// readOnly says whether a replica has lost its Keeper, so that another one may take what it does not.
func readOnly(err error) bool {
	const tableIsReadOnly = 242
	var exception *ch.Exception
	return errors.As(err, &exception) && exception.Code == tableIsReadOnly
}

func (p *pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.conn == nil {
		return nil
	}
	return p.conn.Close()
}

func (p *pool) Exec(ctx context.Context, sql string, args ...any) error {
	return p.do(func(c driver.Conn) error { return c.Exec(ctx, sql, args...) })
}

func (p *pool) Query(ctx context.Context, sql string, args ...any) (rows driver.Rows, err error) {
	err = p.do(func(c driver.Conn) (err error) {
		rows, err = c.Query(ctx, sql, args...)
		return err
	})
	return rows, err
}

func (p *pool) QueryRow(ctx context.Context, sql string, args ...any) (row driver.Row) {
	err := p.do(func(c driver.Conn) error {
		row = c.QueryRow(ctx, sql, args...)
		return row.Err()
	})
	if row == nil {
		return failedRow{err}
	}
	return row
}

func (p *pool) PrepareBatch(ctx context.Context, sql string) (batch driver.Batch, err error) {
	err = p.do(func(c driver.Conn) (err error) {
		batch, err = c.PrepareBatch(ctx, sql)
		return err
	})
	return batch, err
}

// InsertFormat reads its body once, whoever got it.
func (p *pool) InsertFormat(ctx context.Context, format, sql string, body io.ReadSeeker) error {
	return p.do(func(c driver.Conn) error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return c.InsertFormat(ctx, format, sql, body)
	})
}

func (p *pool) ServerVersion() (version *driver.ServerVersion, err error) {
	err = p.do(func(c driver.Conn) (err error) {
		version, err = c.ServerVersion()
		return err
	})
	return version, err
}

// failedRow is what is scanned where there is no connection.
type failedRow struct{ err error }

func (r failedRow) Err() error           { return r.err }
func (r failedRow) Scan(...any) error    { return r.err }
func (r failedRow) ScanStruct(any) error { return r.err }
