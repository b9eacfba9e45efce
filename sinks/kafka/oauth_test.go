package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/tillstream/tillstream/sinks/certs"
	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

// tokenBroker makes a cluster, which knows no OAUTHBEARER itself, a server of RFC 7628: it takes some tokens, and keeps the messages that came. Realkafka has the
// same against Apache Kafka.
type tokenBroker struct {
	*kfake.Cluster

	mu    sync.Mutex
	takes string
	shown []string
}

func startTokenBroker(t *testing.T, takes string) *tokenBroker {
	b := &tokenBroker{Cluster: startCluster(t, kfake.SeedTopics(1, "pos.transactions"), kfake.MaxVersions(kversion.V3_0_0())), takes: takes}
	b.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		res := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		if r.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
			res.ErrorCode = 33 // UNSUPPORTED_SASL_MECHANISM
		}
		return res, nil, true
	})
	b.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		b.mu.Lock()
		defer b.mu.Unlock()
		first := string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
		b.shown = append(b.shown, first)
		res := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		if !strings.HasPrefix(first, "n,,\x01auth=Bearer "+b.takes+"\x01") {
			res.SASLAuthBytes = []byte(`{"status":"invalid_token","scope":"kafka","openid-configuration":"https://issuer.example"}`)
		}
		return res, nil, true
	})
	return b
}

func (b *tokenBroker) take(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takes = token
}

// seen are the messages that came.
func (b *tokenBroker) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.shown)
}

// login connects anew, in both ways.
func (b *tokenBroker) login(ctx context.Context, client *kafka.Client, dialer *kafka.Dialer) error {
	client.Transport.(*kafka.Transport).CloseIdleConnections()
	if _, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err != nil {
		return err
	}
	conn, err := dialer.DialContext(ctx, "tcp", b.ListenAddrs()[0])
	if err == nil {
		conn.Close()
	}
	return err
}

// A token of a file is shown as RFC 7628 has it, the one that is there now; why it is not taken is said, with what to do.
func TestTokenFile(t *testing.T) {
	ctx := testContext(t)
	b := startTokenBroker(t, "eyJ.one.sig=")
	mount := certstest.NewMount(t, map[string]string{"token": "eyJ.one.sig=\n"})
	client, dialer := newClient(t, Config{Brokers: b.ListenAddrs(), SASL: SASLConfig{Mechanism: "oauthbearer", OAuth: OAuthConfig{
		TokenFile: mount.Path("token"), Extensions: []string{"logicalCluster=lkc-1", "identityPoolId=pool=2"},
	}}})
	if err := b.login(ctx, client, dialer); err != nil {
		t.Fatal(err)
	}
	for _, got := range b.seen() {
		if got != "n,,\x01auth=Bearer eyJ.one.sig=\x01logicalCluster=lkc-1\x01identityPoolId=pool=2\x01\x01" {
			t.Fatalf("%q", got)
		}
	}
	b.take("eyJ.two.sig=")
	err := b.login(ctx, client, dialer)
	if want := "the broker does not take the token (invalid_token, it wants scope kafka, it trusts https://issuer.example): see that whoever writes kafka.sasl.oauth.token_file renews it"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("want %q, got %v", want, err)
	}
	mount.Put(map[string]string{"token": "two\x01evil=1"}) // this is no token: the one before is still shown
	if err := b.login(ctx, client, dialer); err == nil || strings.Contains(fmt.Sprint(b.seen()), "evil") {
		t.Fatal(err)
	}
	mount.Put(map[string]string{"token": "eyJ.two.sig="})
	if err := b.login(ctx, client, dialer); err != nil {
		t.Fatal(err)
	}
}

// An issuer is asked with our id and secret over TLS of its own authority, seldom: again when the token is about to end, when a broker refuses it, and when our secret is
// another one.
func TestTokenOfAnIssuer(t *testing.T) {
	ctx := testContext(t)
	b := startTokenBroker(t, "one")
	ca := certstest.NewAuthority(t)
	var mu sync.Mutex
	var asked []string
	answer := map[string]any{"access_token": "one", "token_type": "Bearer", "expires_in": 3600}
	give := func(token string, lasts int) {
		mu.Lock()
		defer mu.Unlock()
		answer["access_token"], answer["expires_in"] = token, lasts
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id, secret, ok := r.BasicAuth()
		if !ok { // a client that was refused may try the other way
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		asked = append(asked, fmt.Sprint(r.FormValue("grant_type"), " ", id, " ", secret, " ", r.FormValue("scope")))
		w.Header().Set("Content-Type", "application/json")
		if secret == "wrong" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","secret":"`+secret+`"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	server.TLS = ca.Server(false)
	server.StartTLS()
	defer server.Close()
	mount := certstest.NewMount(t, map[string]string{"secret": "s1", "ca.crt": ca.PEM()})
	o := OAuthConfig{
		TokenURL: server.URL + "/token", ClientID: "till", ClientSecretFile: mount.Path("secret"), Scopes: []string{"kafka", "more"},
		TLS: certs.Files{CAFile: mount.Path("ca.crt")},
	}
	now := time.Now()
	i, err := newIssuer(&o, nil)
	if err != nil {
		t.Fatal(err)
	}
	i.now = func() time.Time { return now }
	expect := func(token string, questions int) {
		t.Helper()
		for range 2 {
			got, err := i.token(ctx)
			mu.Lock()
			if got != token || err != nil || len(asked) != questions {
				t.Error(got, err, asked)
			}
			mu.Unlock()
		}
	}
	expect("one", 1)
	give("two", 3600)
	now = now.Add(3600*time.Second - early - time.Minute)
	expect("one", 1)
	now = now.Add(2 * time.Minute)
	give("two", 7200)
	now = time.Now().Add(time.Hour)
	expect("two", 2)
	give("three", 7200)
	i.refused("one") // that is over
	expect("two", 2)
	i.refused("two")
	expect("three", 3)
	mount.Put(map[string]string{"secret": "s2", "ca.crt": ca.PEM()})
	expect("three", 4)
	if got := asked[0] + "|" + asked[3]; got != "client_credentials till s1 kafka more|client_credentials till s2 kafka more" {
		t.Error(got)
	}
	mount.Put(map[string]string{"secret": "wrong", "ca.crt": ca.PEM()})
	if _, err := i.token(ctx); err == nil || !strings.Contains(err.Error(), "gives no token (401 Unauthorized invalid_client ): check client_id, client_secret") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}

	// Through the client: a token that was good and is refused is replaced at the next login.
	mount.Put(map[string]string{"secret": "s2", "ca.crt": ca.PEM()})
	give("one", 3600)
	client, dialer := newClient(t, Config{Brokers: b.ListenAddrs(), SASL: SASLConfig{Mechanism: "oauthbearer", OAuth: o}})
	if err := b.login(ctx, client, dialer); err != nil {
		t.Fatal(err)
	}
	b.take("two")
	give("two", 3600)
	if err := b.login(ctx, client, dialer); err != nil { // at most one question is refused: EnsureTopics asks again
		t.Fatal(err)
	}
	server.Close()
	b.take("three")
	if err := b.login(ctx, client, dialer); err == nil || !strings.Contains(err.Error(), "cannot be asked for a token: check the address") {
		t.Fatal(err)
	}
}

// What is not an answer of RFC 7628, and what cannot be a token or an extension.
func TestOAuthRefuses(t *testing.T) {
	for _, answer := range []string{"{", "no", `{"status":1}`, `{}`} {
		s := &shown{tokenFile{}, "t"}
		if done, _, err := s.Next(t.Context(), []byte(answer)); done || err == nil {
			t.Errorf("%q is taken for a yes", answer)
		}
	}
	if done, _, err := (&shown{tokenFile{}, "t"}).Next(t.Context(), bytes.Repeat([]byte{0}, 3)); !done || err != nil {
		t.Error(err)
	}
	for _, e := range []string{"", "a", "=b", "a=", "a1=b", "auth=Bearer x", "a=b\x01c=d", "host=x"} {
		if ValidExtension(e) {
			t.Errorf("%q is taken for an extension", e)
		}
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("two words"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]OAuthConfig{
		"kafka.sasl.oauth: set either token_file or token_url":    {},
		"kafka.sasl.oauth.token_file: is set, so nobody":          {TokenFile: path, ClientID: "x"},
		"kafka.sasl.oauth.client_id: set this, and either":        {TokenURL: "https://x/y", ClientID: "x"},
		"kafka.sasl.oauth.token_url: \"ldap://x\" is not":         {TokenURL: "ldap://x", ClientID: "x", ClientSecret: "s"},
		"kafka.sasl.oauth.extensions: \"auth=x\" is not":          {TokenFile: path, Extensions: []string{"auth=x"}},
		"kafka.sasl.oauth.token_file: " + path + " holds another": {TokenFile: path},
	} {
		if _, _, err := Client(Config{Brokers: []string{"a:1"}, SASL: SASLConfig{Mechanism: "oauthbearer", OAuth: o}}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
