package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
)

// EngineConfig says how the embedded ClickHouse runs.
type EngineConfig struct {
	Dir         string // where it keeps its data; made if need be
	Library     string // path of libchdb.so, as Library gives it; if empty, StartEngine asks Library itself
	MemoryBytes int64  // what the engine may take; 4 GiB if 0
	Logs        bool   // keep system.query_log and system.part_log, for measurements; queries are in it that ask for log_queries
	Log         *zap.Logger
}

// Engine is a running ClickHouse. Its methods may be called by any goroutine.
type Engine struct {
	cfg          EngineConfig
	id           string // tells this engine's answers from those of whoever has the port after it
	http, native string
	transport    *http.Transport // of the proxy
	unlock       func()
	close        func() error
	cancel       context.CancelFunc
	done         chan struct{} // the supervisor has ended
	killed       bool          // the child did not stop in order; set before done is closed
	restarts     atomic.Int64
	child        atomic.Pointer[child] // the newest
}

// ErrLocked says that another process works on the directory.
var ErrLocked = errors.New("another tillstream works on this directory")

const (
	defaultMemory = 4 << 30
	portAttempts  = 3 // a free port may be taken by another before ClickHouse has it
)

// StartEngine starts ClickHouse on a directory and returns when it answers. It is then kept alive until Close, whatever becomes of ctx.
// The error is ErrLocked if another process has the directory.
func StartEngine(ctx context.Context, cfg EngineConfig) (*Engine, error) {
	e, err := newEngine(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	if err := e.open(ctx); err != nil {
		e.unlock()
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	life, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go e.supervise(life)
	return e, nil
}

// newEngine has the directory, and nothing runs yet.
func newEngine(ctx context.Context, cfg EngineConfig) (*Engine, error) {
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = defaultMemory
	}
	var err error
	if cfg.Library == "" {
		if cfg.Library, err = Library(ctx, func(what string) { cfg.Log.Info("preparing ClickHouse", zap.String("step", what)) }); err != nil {
			return nil, err
		}
	}
	// The child runs in the data directory, so neither path may be relative.
	for _, path := range []*string{&cfg.Dir, &cfg.Library} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	tables := filepath.Join(cfg.Dir, "data", "store")
	if err := os.MkdirAll(tables, 0o700); err != nil {
		return nil, err
	}
	Spread(tables)
	unlock, err := flock.Try(filepath.Join(cfg.Dir, "lock"))
	if errors.Is(err, flock.ErrHeld) {
		return nil, lockedBy(cfg.Dir)
	}
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, id: uuid.NewString(), unlock: unlock, done: make(chan struct{}),
		transport: &http.Transport{DisableCompression: true, WriteBufferSize: headBuffer, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second},
	}
	e.close = sync.OnceValue(e.shut)
	return e, nil
}

// open starts the first child on free ports and tells where it is.
func (e *Engine) open(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		addrs, err := freeAddrs(2)
		if err != nil {
			return err
		}
		e.http, e.native = addrs[0], addrs[1]
		if err := e.writeConfig(); err != nil {
			return err
		}
		first, err := e.start(ctx)
		if errors.Is(err, errPortTaken) && attempt < portAttempts {
			continue
		}
		if err != nil {
			return err
		}
		if err := e.announce(); err != nil {
			first.stop()
			return err
		}
		e.child.Store(first)
		return nil
	}
}

// HTTPAddr is host:port of ClickHouse's HTTP interface. It stays the same when the child is started again.
func (e *Engine) HTTPAddr() string { return e.http }

// NativeAddr is host:port of the native protocol. It stays the same, too.
func (e *Engine) NativeAddr() string { return e.native }

// DSN is what clickhouse-go connects with; HTTP without compression is the fastest on loopback.
func (e *Engine) DSN() string { return "http://default@" + e.http + "/default" }

// Restarts is how often the child had to be started again.
func (e *Engine) Restarts() int64 { return e.restarts.Load() }

// Close stops ClickHouse and waits for it: a moment, or five seconds where connections are open. Further calls do nothing.
func (e *Engine) Close() error { return e.close() }

func (e *Engine) shut() error {
	_ = os.Remove(e.endpointFile())    // first, so that nobody comes any more; one that stays is noticed to be stale
	e.transport.CloseIdleConnections() // ClickHouse waits for them
	e.cancel()
	<-e.done
	e.unlock()
	if e.killed {
		return fmt.Errorf("stopping ClickHouse: it did not end within %s and was killed; see %s", stopWithin, e.path("clickhouse.err.log"))
	}
	return nil
}

func (e *Engine) path(name string) string { return filepath.Join(e.cfg.Dir, name) }

// freeAddrs are n different addresses of loopback that nobody listens on.
func freeAddrs(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the loop, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
