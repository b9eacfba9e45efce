//go:build realkafka

package realkafka

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

// Apache Kafka takes the token of our file, in both ways in which we connect, and says why it does not take one that has ended.
func TestOAuthBearer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := Start(ctx, Config{Dir: t.TempDir(), Tokens: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	file := filepath.Join(t.TempDir(), "token")
	write := func(ends time.Duration) {
		t.Helper()
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		now := time.Now()
		jwt := part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":"till","iat":%d,"exp":%d}`, now.Add(-2*time.Hour).Unix(), now.Add(ends).Unix())) + "."
		if err := os.WriteFile(file, []byte(jwt+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(time.Hour)
	client, dialer, err := sinkkafka.Client(sinkkafka.Config{Brokers: []string{k.TokenAddr()}, SASL: sinkkafka.SASLConfig{
		Mechanism: "oauthbearer", OAuth: sinkkafka.OAuthConfig{TokenFile: file, Extensions: []string{"traceId=123"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	transport := client.Transport.(*kafka.Transport)
	defer transport.CloseIdleConnections()
	if n, err := sinkkafka.EnsureTopics(ctx, client, []string{"pos.transactions"}, sinkkafka.Creation{Partitions: 2}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	conn, err := dialer.DialContext(ctx, "tcp", k.TokenAddr())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	write(-time.Hour)
	transport.CloseIdleConnections()
	_, err = dialer.DialContext(ctx, "tcp", k.TokenAddr())
	if err == nil || !strings.Contains(err.Error(), "the broker does not take the token (invalid_token): see that whoever writes kafka.sasl.oauth.token_file renews it") {
		t.Fatal(err)
	}
	write(2 * time.Hour)
	if conn, err = dialer.DialContext(ctx, "tcp", k.TokenAddr()); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
