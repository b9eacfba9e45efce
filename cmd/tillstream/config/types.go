package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is written as 500ms, 30s, 5m or 48h.
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 500ms, 30s, 5m or 48h", text)
	}
	*d = Duration(v)
	return nil
}

// String writes what UnmarshalText reads, without trailing zeros: 48h, not 48h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes, written plain or as 64KiB, 8MiB, 1GiB.
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, by := string(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, by = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/by {
		return fmt.Errorf("%q is not a size such as 65536, 64KiB, 8MiB or 1GiB", text)
	}
	*s = Size(n * by)
	return nil
}

// String writes what UnmarshalText reads, in the largest unit that is exact.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s)/u.bytes, u.suffix)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Secret is a string that shows itself to nobody; convert it to string to use it.
type Secret string

const redacted = "(secret)"

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON, YAML and zap.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// withoutPassword is a data source name without its password. It works on the text, because what does not parse must not leak either: it
// hides too much rather than too little.
func withoutPassword(dsn string) string {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		return Secret(dsn).String()
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":" + redacted + rest[at:]
		}
	}
	if rest, query, ok := strings.Cut(rest, "?"); ok && strings.Contains(strings.ToLower(query), "pass") || strings.ContainsAny(query, "%@") {
		return scheme + "://" + rest + "?" + redacted
	}
	return scheme + "://" + rest
}
