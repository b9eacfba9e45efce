package kafka

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// kafka-go's Transport keeps its discovery and its idle connections until they time out.
		goleak.IgnoreTopFunction("github.com/segmentio/kafka-go.(*connPool).discover"),
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*conn).run"),
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*connGroup).connect"))
}

// testContext ends later than a busy machine takes for any test.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func startCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newClient(t testing.TB, cfg Config) (*kafka.Client, *kafka.Dialer) {
	t.Helper()
	client, dialer, err := Client(cfg)
	if err != nil {
		t.Fatal(err)
	}
	transport := client.Transport.(*kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return client, dialer
}

// consume reads n records of a topic with franz-go.
func consume(ctx context.Context, t testing.TB, c *kfake.Cluster, topic string, n int) []*kgo.Record {
	t.Helper()
	k, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var out []*kgo.Record
	for len(out) < n {
		fetches := k.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records came: %v", len(out), n, err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

// certificates makes an authority and a certificate for 127.0.0.1, and returns the broker's side and the authority's file.
func certificates(t *testing.T) (*tls.Config, string) {
	t.Helper()
	ca := certstest.NewAuthority(t)
	return ca.Server(false), certstest.NewMount(t, map[string]string{"ca.pem": ca.PEM()}).Path("ca.pem")
}
