package certs

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/tillstream/tillstream/internal/renewed"
)

// Login is how one shows a server of HTTP who one is.
type Login struct {
	Username, Password, PasswordFile string // basic authentication; the file wins
	Token, TokenFile                 string // a bearer token, instead; the file wins
	TLS                              Files
}

// Transport sends requests with a login whose files are read anew when they change: what is sent from then on goes over new connections. The login goes to the
// hosts of some URLs only, not to where those redirect. It is for http.Client, and may be used at once.
type Transport struct {
	base   *http.Transport
	hosts  map[string]bool
	logins *renewed.Value[login]

	mu      sync.Mutex
	current *http.Transport
	version uint64
}

// login is what was read of a Login.
type login struct {
	tls                       *tls.Config
	username, password, token string
}

// NewTransport reads the files. Errors name the key of the configuration: key.tls.ca_file, key.password_file, key.token_file.
func NewTransport(key string, base *http.Transport, l Login, urls []string, report renewed.Report) (*Transport, error) {
	hosts := map[string]bool{}
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" {
			return nil, fmt.Errorf("%s.urls: %q is not http(s)://host:port", key, u)
		}
		hosts[parsed.Host] = true
	}
	logins, err := renewed.New(key, report, func() (read login, err error) {
		if read.tls, err = Client(key+".tls", l.TLS); err != nil {
			return read, err
		}
		read.username = l.Username
		if read.password, err = renewed.Text(key+".password_file", l.PasswordFile, l.Password); err != nil {
			return read, err
		}
		read.token, err = renewed.Text(key+".token_file", l.TokenFile, l.Token)
		return read, err
	}, append(l.TLS.paths(), l.PasswordFile, l.TokenFile)...)
	if err != nil {
		return nil, err
	}
	return &Transport{base: base, hosts: hosts, logins: logins}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	l, version := t.logins.Get()
	if t.hosts[req.URL.Host] {
		switch {
		case l.token != "":
			req = req.Clone(req.Context()) // a RoundTripper must leave the request as it is
			req.Header.Set("Authorization", "Bearer "+l.token)
		case l.username != "":
			req = req.Clone(req.Context())
			req.SetBasicAuth(l.username, l.password)
		}
	}
	return t.over(l.tls, version).RoundTrip(req)
}

// over is the transport of a version.
func (t *Transport) over(config *tls.Config, version uint64) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil || t.version != version {
		t.closeIdle()
		t.current, t.version = t.base.Clone(), version
		t.current.TLSClientConfig = config
	}
	return t.current
}

func (t *Transport) closeIdle() {
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeIdle()
}
