package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/sinks/certs"
)

// OAuthConfig is where the token of the mechanism oauthbearer comes from: a file that somebody renews, or an issuer that is asked (client credentials, RFC 6749
// section 4.4).
type OAuthConfig struct {
	TokenFile        string   `yaml:"token_file"`
	TokenURL         string   `yaml:"token_url"`
	ClientID         string   `yaml:"client_id"`
	ClientSecret     Secret   `yaml:"client_secret"`
	ClientSecretFile string   `yaml:"client_secret_file"`
	Scopes           []string `yaml:"scopes"`
	Extensions       []string `yaml:"extensions"` // name=value, told to the brokers beside the token
	TLS              certs.Files
}

// Names and values that RFC 7628 section 3.1 lets through.
var (
	extension     = regexp.MustCompile("^[A-Za-z]+=[\\x20-\\x7E\t\r\n]+$")
	ownExtensions = regexp.MustCompile(`^(auth|host|port)=`)
)

// ValidExtension says whether brokers can be told name=value beside a token.
func ValidExtension(s string) bool { return extension.MatchString(s) && !ownExtensions.MatchString(s) }

func (o *OAuthConfig) validate(wrong func(key, format string, args ...any)) {
	switch {
	case (o.TokenFile == "") == (o.TokenURL == ""):
		wrong("sasl.oauth", "set either token_file or token_url")
	case o.TokenFile != "" && (o.ClientID != "" || o.ClientSecret != "" || o.ClientSecretFile != "" || len(o.Scopes) > 0):
		wrong("sasl.oauth.token_file", "is set, so nobody is asked for a token; remove client_id, client_secret and scopes, or set token_url instead")
	case o.TokenURL != "" && (o.ClientID == "" || (o.ClientSecret == "") == (o.ClientSecretFile == "")):
		wrong("sasl.oauth.client_id", "set this, and either client_secret or client_secret_file, where token_url is set")
	}
	if u, err := url.Parse(o.TokenURL); o.TokenURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		wrong("sasl.oauth.token_url", "%q is not https://host/path", o.TokenURL)
	}
	for _, e := range o.Extensions {
		if !ValidExtension(e) {
			wrong("sasl.oauth.extensions", "%q is not name=value with a name of letters", e)
		}
	}
}

// tokens is where tokens come from. Both may be called at once.
type tokens interface {
	token(ctx context.Context) (string, error)
	refused(token string) // by a broker
}

func (o *OAuthConfig) load(report renewed.Report) (sasl.Mechanism, error) {
	m := &bearer{}
	for _, e := range o.Extensions {
		m.extensions += separator + e
	}
	var err error
	if o.TokenFile != "" {
		m.tokens, err = newTokenFile(o.TokenFile, report)
	} else {
		m.tokens, err = newIssuer(o, report)
	}
	return m, err
}

// tokenFile is a token that somebody else renews.
type tokenFile struct{ text *renewed.Value[string] }

func newTokenFile(path string, report renewed.Report) (tokenFile, error) {
	const key = "kafka.sasl.oauth.token_file"
	text, err := renewed.New(key, report, func() (string, error) {
		text, err := renewed.Text(key, path, "")
		if err == nil && !bearerToken.MatchString(text) {
			err = fmt.Errorf("%s: %s holds another thing than a token", key, path)
		}
		return text, err
	}, path)
	return tokenFile{text}, err
}

// bearerToken is b64token of RFC 6750: nothing in it ends the message it is put into.
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

func (f tokenFile) token(context.Context) (string, error) {
	text, _ := f.text.Get()
	return text, nil
}

func (tokenFile) refused(string) {}

const (
	issuerTime = 10 * time.Second // for one question
	early      = 30 * time.Second // before it ends a token is not used any more
)

// issuer asks for tokens, and keeps one until it ends or is refused.
type issuer struct {
	client *http.Client
	config *renewed.Value[clientcredentials.Config]
	now    func() time.Time

	mu      sync.Mutex
	current *oauth2.Token
	version uint64 // of the config it was asked for with
}

func newIssuer(o *OAuthConfig, report renewed.Report) (*issuer, error) {
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	transport, err := certs.NewTransport("kafka.sasl.oauth", base, certs.Login{TLS: o.TLS}, nil, report)
	if err != nil {
		return nil, err
	}
	const key = "kafka.sasl.oauth.client_secret_file"
	config, err := renewed.New(key, report, func() (clientcredentials.Config, error) {
		secret, err := renewed.Text(key, o.ClientSecretFile, string(o.ClientSecret))
		return clientcredentials.Config{ClientID: o.ClientID, ClientSecret: secret, TokenURL: o.TokenURL, Scopes: o.Scopes}, err
	}, o.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	return &issuer{config: config, now: time.Now, client: &http.Client{
		Transport: transport, Timeout: issuerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // our secret is for nobody else
	}}, nil
}

func (i *issuer) token(ctx context.Context) (string, error) {
	config, version := i.config.Get()
	i.mu.Lock() // while one asks the others wait for the same answer
	defer i.mu.Unlock()
	if t := i.current; t != nil && i.version == version && (t.Expiry.IsZero() || t.Expiry.Sub(i.now()) > early) {
		return t.AccessToken, nil
	}
	t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, i.client))
	i.client.CloseIdleConnections()
	var answer *oauth2.RetrieveError
	switch {
	case errors.As(err, &answer): // its text is all that was answered, which may be a page, or say too much
		return "", &loginError{fmt.Sprintf("the issuer at kafka.sasl.oauth.token_url gives no token (%s %s %s): check client_id, client_secret and scopes of kafka.sasl.oauth",
			answer.Response.Status, answer.ErrorCode, answer.ErrorDescription), nil}
	case err != nil:
		return "", &loginError{"the issuer at kafka.sasl.oauth.token_url cannot be asked for a token: check the address, and kafka.sasl.oauth.tls", err}
	case !bearerToken.MatchString(t.AccessToken):
		return "", &loginError{"the issuer at kafka.sasl.oauth.token_url gives something that is no bearer token: check the address", nil}
	}
	i.current, i.version = t, version
	return t.AccessToken, nil
}

func (i *issuer) refused(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current != nil && i.current.AccessToken == token {
		i.current = nil
	}
}

// loginError is why a login could not be, with what to do.
type loginError struct {
	said string
	err  error
}

func (e *loginError) Error() string {
	if e.err == nil {
		return e.said
	}
	return e.said + ": " + e.err.Error()
}

func (e *loginError) Unwrap() error { return e.err }

// bearer logs in with a token: OAUTHBEARER of RFC 7628.
type bearer struct {
	tokens     tokens
	extensions string
}

const separator = "\x01"

func (*bearer) Name() string { return "OAUTHBEARER" }

// Start shows the token.
func (b *bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.tokens.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &shown{b.tokens, token}, []byte(noBinding + separator + "auth=Bearer " + token + b.extensions + separator + separator), nil
}

// shown is a token that a broker looks at.
type shown struct {
	tokens tokens
	token  string
}

// Next takes the broker's answer: nothing if the token is good, or why it is not.
func (s *shown) Next(_ context.Context, answer []byte) (done bool, response []byte, err error) {
	if len(bytes.Trim(answer, "\x00")) == 0 { // Kafka's own client takes zeros for nothing
		return true, nil, nil
	}
	s.tokens.refused(s.token)
	var why struct {
		Status string `json:"status"`
		Scope  string `json:"scope"`
		Issuer string `json:"openid-configuration"`
	}
	if json.Unmarshal(answer, &why) != nil || why.Status == "" {
		return false, nil, &loginError{"the broker answers the token with something that is not understood: see its log", nil}
	}
	said := "the broker does not take the token (" + why.Status
	if why.Scope != "" {
		said += ", it wants scope " + why.Scope
	}
	if why.Issuer != "" {
		said += ", it trusts " + why.Issuer
	}
	do := "see that the issuer, the audience and the scopes are those that the brokers expect (kafka.sasl.oauth), and the brokers' log for why"
	if _, file := s.tokens.(tokenFile); file {
		do = "see that whoever writes kafka.sasl.oauth.token_file renews it before it ends, and the brokers' log for why"
	}
	return false, nil, &loginError{strings.ToValidUTF8(said, "?") + "): " + do, nil}
}
