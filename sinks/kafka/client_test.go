package kafka

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.yaml.in/yaml/v3"
)

// With the right login both ways of kafka-go work: the client, and the dialer of group membership.
func TestLogin(t *testing.T) {
	ctx := testContext(t)
	serverTLS, ca := certificates(t)
	file := filepath.Join(t.TempDir(), "password")
	const user, password = "till,stream=1", `pass "wörd", with = and ,`
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"", "plain", "scram-sha-256", "scram-sha-512"} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tls=%v", mechanism, secure), func(t *testing.T) {
				opts := []kfake.Opt{kfake.SeedTopics(3, "pos.transactions")}
				var cfg Config
				if secure {
					opts = append(opts, kfake.TLS(serverTLS.Clone()))
					cfg.TLS = TLSConfig{Enabled: true, CAFile: ca}
				}
				if mechanism != "" {
					opts = append(opts, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), user, password))
					cfg.SASL = SASLConfig{Mechanism: mechanism, Username: user, PasswordFile: file}
				}
				c := startCluster(t, opts...)
				cfg.Brokers = c.ListenAddrs()
				client, dialer := newClient(t, cfg)
				if n, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err != nil || n != 3 {
					t.Fatal(n, err)
				}
				conn, err := dialer.DialContext(ctx, "tcp", cfg.Brokers[0])
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if parts, err := conn.ReadPartitions("pos.transactions"); err != nil || len(parts) != 3 {
					t.Fatal(parts, err)
				}
			})
		}
	}
}

// What stops a login or a connection is said in one sentence, at once.
func TestUnreachable(t *testing.T) {
	serverTLS, ca := certificates(t)
	plainBroker, tlsBroker := startCluster(t), startCluster(t, kfake.TLS(serverTLS))
	saslBroker := startCluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "till", "right"), kfake.Superuser("SCRAM-SHA-256", "till", "right"))
	const closed = "127.0.0.1:1"
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	login := func(mechanism, password string) SASLConfig {
		return SASLConfig{Mechanism: mechanism, Username: "till", Password: Secret(password)}
	}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"wrong password, plain": {Config{Brokers: saslBroker.ListenAddrs(), SASL: login("plain", "wrong")}, "refused the login with PLAIN: check kafka.sasl.username and the password"},
		"wrong password, scram": {Config{Brokers: saslBroker.ListenAddrs(), SASL: login("scram-sha-256", "wrong")}, "refused the login with SCRAM-SHA-256: check kafka.sasl.username and the password"},
		"unknown mechanism":     {Config{Brokers: saslBroker.ListenAddrs(), SASL: login("scram-sha-512", "right")}, "refused the login with SCRAM-SHA-512: check kafka.sasl.username and the password"},
		"no login":              {Config{Brokers: saslBroker.ListenAddrs()}, "hung up: if this port wants TLS or a login, set kafka.tls.enabled or kafka.sasl"},
		"nobody there":          {Config{Brokers: []string{closed}}, "no broker of kafka.brokers (" + closed + ") can be reached: check the addresses, and that Kafka runs"},
		"silence":               {Config{Brokers: []string{silent.Addr().String()}}, "no broker of kafka.brokers (" + silent.Addr().String() + ") answered in time: check the addresses and the firewall"},
		"no such host":          {Config{Brokers: []string{"kafka.invalid:9092"}}, "no broker of kafka.brokers (kafka.invalid:9092) can be reached: check the addresses, and that Kafka runs"},
		"TLS to a plain port":   {Config{Brokers: plainBroker.ListenAddrs(), TLS: TLSConfig{Enabled: true, CAFile: ca}}, "do not answer to TLS: name its TLS port in kafka.brokers, or set kafka.tls.enabled to false"},
		"plain to a TLS port":   {Config{Brokers: tlsBroker.ListenAddrs()}, "hung up: if this port wants TLS or a login, set kafka.tls.enabled or kafka.sasl"},
		"unknown authority":     {Config{Brokers: tlsBroker.ListenAddrs(), TLS: TLSConfig{Enabled: true}}, "signed by an authority that is not known here: set kafka.tls.ca_file"},
		"another host":          {Config{Brokers: tlsBroker.ListenAddrs(), TLS: TLSConfig{Enabled: true, CAFile: ca, ServerName: "kafka.example"}}, "is for another host: set kafka.tls.server_name"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClient(t, c.cfg)
			if name == "silence" || name == "TLS to a plain port" { // nobody answers, however long one waits; elsewhere a busy machine may take its time
				client.Transport.(*kafka.Transport).DialTimeout = 200 * time.Millisecond
			}
			_, err := EnsureTopics(testContext(t), client, []string{"pos.transactions"}, Creation{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("want %q, got %v", c.want, err)
			}
			for _, secret := range []string{"wrong", "right"} {
				if strings.Contains(err.Error(), secret) {
					t.Fatalf("the password is in %v", err)
				}
			}
		})
	}
}

// The example of RFC 7677, section 3.
func TestSCRAM(t *testing.T) {
	const (
		serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
		serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	)
	m := &scram{name: "SCRAM-SHA-256", hash: sha256.New, username: "user", password: "pencil", nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }}
	start := func(first string) (bool, string, func(string) (bool, []byte, error), error) {
		c, hello, err := m.Start(t.Context())
		if err != nil || string(hello) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
			t.Fatalf("%q, %v", hello, err)
		}
		done, proof, err := c.Next(t.Context(), []byte(first))
		return done, string(proof), func(s string) (bool, []byte, error) { return c.Next(t.Context(), []byte(s)) }, err
	}
	done, proof, next, err := start(serverFirst)
	if done || err != nil || proof != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Fatalf("%v, %q, %v", done, proof, err)
	}
	if done, _, err := next(serverFinal); !done || err != nil {
		t.Fatal(done, err)
	}
	for _, final := range []string{"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "", "v=!", "e=invalid-proof", "x=6rri"} {
		_, _, next, _ := start(serverFirst)
		if _, _, err := next(final); err == nil {
			t.Fatalf("a broker that ends with %q is believed", final)
		}
	}
	for _, first := range []string{
		"", "r=rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=2000000000",
		"s=W22Z,r=rOprNGfwEbeRWgbNEkqOx,i=4096",
	} {
		if _, _, _, err := start(first); err == nil {
			t.Fatalf("a broker that begins with %q is believed", first)
		}
	}
}

func TestValidate(t *testing.T) {
	good := `{brokers: ["a:9092", "[::1]:9093"], tls: {enabled: true}, sasl: {mechanism: plain, username: u, password: p}}`
	for doc, want := range map[string][]string{
		good: nil,
		`{}`: {"kafka.brokers: name at least one"},
		`{brokers: ["a", ":9"], tls: {cert_file: c}, sasl: {mechanism: gssapi}}`:                   {`kafka.brokers: "a" is not host:port`, `kafka.brokers: ":9" is not`, "kafka.tls.cert_file: set both", "kafka.tls.enabled: ", `kafka.sasl.mechanism: "gssapi"`},
		`{brokers: ["a:9"], sasl: {username: u}}`:                                                  {"kafka.sasl.mechanism: is not set"},
		`{brokers: ["a:9"], sasl: {mechanism: plain}}`:                                             {"kafka.sasl.username: is missing", "kafka.sasl.password: set either"},
		`{brokers: ["a:9"], sasl: {mechanism: plain, username: u, password: p, password_file: f}}`: {"kafka.sasl.password: set either"},
	} {
		var cfg Config
		if err := yaml.Unmarshal([]byte(doc), &cfg); err != nil {
			t.Fatal(err)
		}
		err := cfg.Validate()
		if (err == nil) != (want == nil) {
			t.Fatalf("%s: %v", doc, err)
		}
		for i, line := range strings.Split(fmt.Sprint(err), "\n") {
			if err != nil && (i >= len(want) || !strings.HasPrefix(line, want[i])) {
				t.Fatalf("%s: line %d is %q, want %q", doc, i, line, want)
			}
		}
	}
	if _, _, err := Client(Config{Brokers: []string{"a:9"}, SASL: SASLConfig{Mechanism: "plain", Username: "u", PasswordFile: "/nonexistent"}}); err == nil || !strings.HasPrefix(err.Error(), "kafka.sasl.password_file: ") {
		t.Fatal(err)
	}
}

func TestSecret(t *testing.T) {
	cfg := SASLConfig{Mechanism: "plain", Password: "hunter2"}
	y, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{string(y), string(j), fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %q %s", cfg, cfg, cfg.Password, cfg.Password)} {
		if strings.Contains(s, "hunter2") || !strings.Contains(s, "xxxxx") {
			t.Fatal(s)
		}
	}
}
