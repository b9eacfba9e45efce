package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor"
)

// Outcome is what an error of an INSERT says about the rows.
type Outcome uint8

// Outcomes.
const (
	Unknown   Outcome = iota // they may be there or not: read the marks
	Retryable                // they are not there; it may work later
	Permanent                // they are not there and never will be: someone must change something
)

func (o Outcome) String() string { return [...]string{"outcome unknown", "not written", "refused"}[o] }

// Error codes of the server (src/Common/ErrorCodes.cpp) by which it refuses an INSERT before it writes anything.
var (
	permanentCodes = []int32{
		16 /* NO_SUCH_COLUMN_IN_TABLE */, 20 /* NUMBER_OF_COLUMNS_DOESNT_MATCH */, 36 /* BAD_ARGUMENTS */, 43, /* ILLEGAL_TYPE_OF_ARGUMENT */
		44 /* ILLEGAL_COLUMN */, 47 /* UNKNOWN_IDENTIFIER */, 48 /* NOT_IMPLEMENTED */, 50 /* UNKNOWN_TYPE */, 53, /* TYPE_MISMATCH */
		60 /* UNKNOWN_TABLE */, 62 /* SYNTAX_ERROR */, 70 /* CANNOT_CONVERT_TYPE */, 81 /* UNKNOWN_DATABASE */, 115, /* UNKNOWN_SETTING */
		164 /* READONLY */, 469 /* VIOLATED_CONSTRAINT */, 452 /* SETTING_CONSTRAINT_VIOLATION */, 497, /* ACCESS_DENIED */
		192 /* UNKNOWN_USER */, 193 /* WRONG_PASSWORD */, 194 /* REQUIRED_PASSWORD */, 195 /* IP_ADDRESS_NOT_ALLOWED */, 516, /* AUTHENTICATION_FAILED */
	}
	authCodes      = []int32{192, 193, 194, 195, 516}
	retryableCodes = []int32{
		201 /* QUOTA_EXCEEDED */, 202 /* TOO_MANY_SIMULTANEOUS_QUERIES */, 242 /* TABLE_IS_READ_ONLY */, 243, /* NOT_ENOUGH_SPACE */
		252 /* TOO_MANY_PARTS */, 285 /* TOO_FEW_LIVE_REPLICAS */, 286, /* UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE */
	}
)

// Classify says what an error from the server or the connection means for an INSERT.
func Classify(err error) Outcome {
	var exception *ch.Exception
	if errors.As(err, &exception) {
		switch {
		case slices.Contains(permanentCodes, exception.Code):
			return Permanent
		case slices.Contains(retryableCodes, exception.Code):
			return Retryable
		}
		return Unknown
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, ch.ErrAcquireConnTimeout) {
		return Retryable
	}
	return Unknown
}

// InsertError is why a block did not get in. It is processor.ErrRejected if, and only if, the outcome is Permanent.
type InsertError struct {
	Table   string
	Outcome Outcome
	Err     error
}

func (e *InsertError) Error() string {
	return fmt.Sprintf("inserting into tillstream.%s (%s): %v", e.Table, e.Outcome, e.Err)
}

func (e *InsertError) Unwrap() error { return e.Err }

// Is makes a permanent error processor.ErrRejected.
func (e *InsertError) Is(target error) bool {
	return target == processor.ErrRejected && e.Outcome == Permanent
}

// OversizeError says that a block is too large to become one part for certain.
type OversizeError struct {
	Table       string
	Rows, Bytes int
}

func (e *OversizeError) Error() string {
	return fmt.Sprintf("block of %d rows and about %d bytes for table %s may become more than one part (limits %d rows, %d bytes): lower the limits of a batch",
		e.Rows, e.Bytes, e.Table, maxRows, maxBytes)
}

// explain turns trouble with the connection into one sentence that names the key to change; other errors stay as they are.
func (s *Sink) explain(err error) error {
	if err == nil {
		return nil
	}
	at := strings.Join(s.options.Addr, ", ")
	var exception *ch.Exception
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var asked *url.Error
	var slow net.Error
	switch {
	case errors.As(err, &exception) && slices.Contains(authCodes, exception.Code):
		return fmt.Errorf("clickhouse.password: ClickHouse at %s does not let user %q in (code %d): correct clickhouse.username and clickhouse.password", at, s.user(), exception.Code)
	case errors.As(err, &exception) && exception.Code == 497:
		return fmt.Errorf("clickhouse.username: user %q lacks a right at %s; give it role writer of deploy/clickhouse/roles.sql, or operator for a rebuild: %s", s.user(), at, firstLine(exception.Message))
	case errors.As(err, &cert):
		return fmt.Errorf("clickhouse.tls: the certificate of ClickHouse at %s is not trusted (%w): set clickhouse.tls.ca_file or server_name", at, cert.Err)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS"):
		return fmt.Errorf("clickhouse.tls: ClickHouse at %s does not speak TLS on this port: use its secure port (9440 native, 8443 http) or turn clickhouse.tls.enabled off", at)
	case errors.As(err, &dns):
		return fmt.Errorf("clickhouse.addr: the name %s is not known: correct clickhouse.addr", dns.Name)
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("clickhouse.addr: nothing answers at %s (%w): start ClickHouse or correct clickhouse.addr", at, op.Err)
	case errors.Is(err, ch.ErrAcquireConnTimeout) && !errors.As(err, &asked): // with it, Go says so of one that was begun and not answered
		return fmt.Errorf("clickhouse.max_open_conns: for %v all %d connections to ClickHouse at %s were in use: see that it has nothing heavier to do, or raise clickhouse.max_open_conns",
			s.options.DialTimeout, s.options.MaxOpenConns, at)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ch.ErrAcquireConnTimeout), errors.As(err, &slow) && slow.Timeout():
		if errors.As(err, &asked) {
			err = context.DeadlineExceeded // without the whole question
		}
		return fmt.Errorf("clickhouse.addr: ClickHouse at %s did not answer in time: see that it runs and has nothing heavier to do, and check the address and the firewall: %w", at, err)
	case strings.Contains(err.Error(), "unexpected packet"), strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("clickhouse.protocol: the port at %s speaks another protocol than %s: correct clickhouse.protocol or the port", at, s.options.Protocol)
	}
	return err
}

func (s *Sink) user() string { return orDefault(s.options.Auth.Username, "default") }

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
