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

// MarshalText writes what UnmarshalText reads, without trailing zeros.
func (d Duration) MarshalText() ([]byte, error) {
	s := time.Duration(d).String()
	for _, zero := range []string{"0s", "0m"} {
		if trimmed := strings.TrimSuffix(s, zero); trimmed != s && strings.HasSuffix(trimmed, map[string]string{"0s": "m", "0m": "h"}[zero]) {
			s = trimmed
		}
	}
	return []byte(s), nil
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

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/u.bytes, u.suffix), nil
		}
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
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

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
