package clickhouse

import "strings"

const redacted = "xxxxx"

// Secret is text that is never printed, logged or marshalled.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText hides the secret from YAML and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DSN is a data source name. Its password is never printed, logged or marshalled.
type DSN string

// String masks what follows the user's name, and the values of all parameters whose name says password. It works on the text, because
// what does not parse must not leak either; it masks too much rather than too little.
func (d DSN) String() string {
	scheme, rest, ok := strings.Cut(string(d), "://")
	if !ok {
		scheme, rest = "", scheme
	} else {
		scheme += "://"
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(query, '@'); at >= 0 { // an unescaped ? in the password
		rest, query, hasQuery = rest+query[at:], "", false
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":" + redacted + rest[at:]
		}
	}
	if !hasQuery {
		return scheme + rest
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		name, _, ok := strings.Cut(p, "=")
		switch {
		case !ok: // perhaps what follows an unescaped & in the password
			params[i] = redacted
		case strings.Contains(strings.ToLower(name), "pass"), strings.Contains(name, "%"), strings.EqualFold(name, "http_proxy"):
			params[i] = name + "=" + redacted
		}
	}
	return scheme + rest + "?" + strings.Join(params, "&")
}

// GoString hides the password from %#v.
func (d DSN) GoString() string { return `"` + d.String() + `"` }

// MarshalText hides the password from YAML and JSON.
func (d DSN) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
