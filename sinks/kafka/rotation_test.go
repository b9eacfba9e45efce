package kafka

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

// While a client runs, the authority of the brokers and our own certificate are replaced: what is connected anew uses the new ones, files that cannot be used change
// nothing, and brokers of the new authority take nothing old.
func TestCertificatesAreRenewed(t *testing.T) {
	ctx := testContext(t)
	var server atomic.Pointer[tls.Config]
	c := startCluster(t, kfake.SeedTopics(3, "pos.transactions"), kfake.TLS(&tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return server.Load(), nil },
	}))
	before, after := certstest.NewAuthority(t), certstest.NewAuthority(t)
	server.Store(before.Server(true))
	mount := certstest.NewMount(t, certstest.Files(before, before))
	var told []string
	client, dialer := newClient(t, Config{
		Brokers: c.ListenAddrs(), TLS: TLSConfig{Enabled: true, CAFile: mount.Path("ca.crt"), CertFile: mount.Path("tls.crt"), KeyFile: mount.Path("tls.key")},
		Renewed: func(key string, err error) { told = append(told, fmt.Sprint(key, " ", err != nil)) },
	})
	transport := client.Transport.(*kafka.Transport)
	// connect does so anew, in both ways.
	connect := func() error {
		transport.CloseIdleConnections()
		if _, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err != nil {
			return err
		}
		conn, err := dialer.DialContext(ctx, "tcp", c.ListenAddrs()[0])
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.ReadPartitions("pos.transactions")
		return err
	}
	expect := func(want string) {
		t.Helper()
		err := connect()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Fatalf("want %q, got %v", want, err)
		}
	}
	expect("")
	server.Store(after.Server(true))
	expect("signed by an authority that is not known here: set kafka.tls.ca_file")
	mount.Put(certstest.Files(after, before)) // the authority is new, our own certificate is not yet
	expect("do not take the certificate that we show: set kafka.tls.cert_file")
	mount.Put(certstest.Files(after, after))
	expect("")
	broken := certstest.Files(after, after)
	broken["tls.key"] = "half of a ke"
	mount.Put(broken)
	expect("")
	broken["ca.crt"] = "\n"
	mount.Put(broken)
	expect("")
	if got := fmt.Sprint(told); got != "[kafka.tls false kafka.tls false kafka.tls true kafka.tls true]" {
		t.Error(got)
	}
}

// A login that was refused is taken once the file has the new password.
func TestPasswordIsRenewed(t *testing.T) {
	ctx := testContext(t)
	for _, mechanism := range []string{"plain", "scram-sha-512"} {
		c := startCluster(t, kfake.SeedTopics(1, "pos.transactions"), kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "till", "new"))
		mount := certstest.NewMount(t, map[string]string{"password": "old\n"})
		client, _ := newClient(t, Config{Brokers: c.ListenAddrs(), SASL: SASLConfig{Mechanism: mechanism, Username: "till", PasswordFile: mount.Path("password")}})
		if _, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err == nil || !strings.Contains(err.Error(), "refused the login") {
			t.Fatal(err)
		}
		mount.Put(map[string]string{"password": "new\n"})
		if _, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(mount.Path("password")); err != nil {
			t.Fatal(err)
		}
		client.Transport.(*kafka.Transport).CloseIdleConnections()
		if _, err := EnsureTopics(ctx, client, []string{"pos.transactions"}, Creation{}); err != nil {
			t.Fatal(err)
		}
	}
}
