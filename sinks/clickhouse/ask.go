package clickhouse

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// Limits of one question.
type Limits struct {
	Time   time.Duration // the server gives up after it; in whole seconds
	Rows   int           // most rows of an answer
	Memory int64         // most bytes that the server may take
}

// Reader asks on behalf of people: it can change nothing, and each question has limits. Its methods may be called at once.
type Reader struct {
	sink     *Sink
	limits   Limits
	settings ch.Settings
}

// Reader gives a reader of the same ClickHouse, as the same user.
func (s *Sink) Reader(l Limits) *Reader {
	r := &Reader{sink: s, limits: l, settings: ch.Settings{
		"readonly": 2, // no writes, no DDL; 1 would refuse the settings beside it
		// A sort that needs one row more than the answer has is no reason to refuse it, so only the answer is bounded.
		"max_execution_time": int(l.Time.Seconds()), "max_result_rows": l.Rows, "result_overflow_mode": "throw", "max_memory_usage": l.Memory,
	}}
	if s.options.Protocol == ch.HTTP {
		r.settings["wait_end_of_query"] = 1                            // or an error may come in the middle of the rows
		r.settings["cancel_http_readonly_queries_on_client_close"] = 1 // nobody waits for it any more
	}
	return r
}

// LimitError says that a question took more than it may.
type LimitError struct{ Err error }

func (e *LimitError) Error() string { return "the question takes more than it may: " + e.Err.Error() }

func (e *LimitError) Unwrap() error { return e.Err }

// TooMuch tells this error from others, for those who do not know the type.
func (e *LimitError) TooMuch() bool { return true }

// limitCodes are those of the server for what Limits bound.
var limitCodes = map[int32]bool{
	158: true /* TOO_MANY_ROWS */, 159: true /* TIMEOUT_EXCEEDED */, 160: true /* TOO_SLOW */, 241: true, /* MEMORY_LIMIT_EXCEEDED */
	307: true /* TOO_MANY_BYTES */, 396: true, /* TOO_MANY_ROWS_OR_BYTES */
}

// Ask runs one SELECT with parameters ({name:Type} in its text, values by name) and calls row for each row: values in the Go types of
// clickhouse-go, nil for NULL, valid until row returns. The error is a *LimitError where the question took more than it may.
func (r *Reader) Ask(ctx context.Context, sql string, params map[string]string, row func([]any) error) error {
	// The server's own limit comes first, with a better answer. No deadline: of one clickhouse-go makes a max_execution_time in place of ours.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(r.limits.Time+time.Second, func() { cancel(context.DeadlineExceeded) }).Stop()
	escaped := make(ch.Parameters, len(params))
	for name, v := range params {
		escaped[name] = parameterEscapes.Replace(v)
	}
	err := func() error {
		result, err := r.sink.Query(ch.Context(ctx, ch.WithSettings(maps.Clone(r.settings)), ch.WithParameters(escaped)), sql)
		if err != nil {
			return err
		}
		for values, err := range result.Rows {
			if err == nil {
				err = row(values)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	var exception *ch.Exception
	if errors.As(err, &exception) && limitCodes[exception.Code] || err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &LimitError{err}
	}
	return err
}

// parameterEscapes are those of ClickHouse's format TabSeparated, in which parameters are sent.
var parameterEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)
