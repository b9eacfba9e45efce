package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/certs"
)

const (
	dialTimeout = 10 * time.Second // with the handshakes of TLS and SASL
	keepAlive   = 30 * time.Second
	metadataTTL = 5 * time.Second // at most, and half of it on average, until a new leader is known
)

// Client makes what the program speaks to Kafka with: the client for everything but group membership, which kafka-go does over a Dialer.
// It reads the files that cfg names and connects to nothing yet; a connection that is made later is made with what they say then. The Transport inside keeps connections: close them with
// Transport.CloseIdleConnections when all is done.
func Client(cfg Config) (*kafka.Client, *kafka.Dialer, error) {
	fetch.RegisterRaw() // before there is a connection
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	files, err := cfg.TLS.watch(cfg.Renewed)
	if err != nil {
		return nil, nil, err
	}
	mechanism, err := cfg.SASL.load(cfg.Renewed)
	if err != nil {
		return nil, nil, err
	}
	id := cmp.Or(cfg.ClientID, "tillstream")
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	dial := dialer.DialContext
	if files != nil {
		dial = certs.Dialer(dialer, files) // kafka-go's own TLS knows the certificates of the start only
	}
	transport := &kafka.Transport{Dial: dial, DialTimeout: dialTimeout, MetadataTTL: metadataTTL, ClientID: id, SASL: mechanism}
	return &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}, &kafka.Dialer{ClientID: id, Timeout: dialTimeout, DialFunc: dial, SASLMechanism: mechanism}, nil
}

func (s *SASLConfig) load(report renewed.Report) (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	if s.Mechanism == "oauthbearer" {
		return s.OAuth.load(report)
	}
	passwords, err := s.watch(report)
	if err != nil {
		return nil, err
	}
	return &fresh{name: strings.ToUpper(s.Mechanism), mechanism: func() sasl.Mechanism {
		password, _ := passwords.Get()
		switch s.Mechanism {
		case "plain":
			return plain.Mechanism{Username: s.Username, Password: password}
		case "scram-sha-256":
			return &scram{name: "SCRAM-SHA-256", hash: sha256.New, username: s.Username, password: password, nonce: rand.Text}
		default:
			return &scram{name: "SCRAM-SHA-512", hash: sha512.New, username: s.Username, password: password, nonce: rand.Text}
		}
	}}, nil
}

// fresh logs in each time with a mechanism made for it, that is with the password that is in force then.
type fresh struct {
	name      string
	mechanism func() sasl.Mechanism
}

func (f *fresh) Name() string { return f.name }

// Start implements sasl.Mechanism.
func (f *fresh) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return f.mechanism().Start(ctx)
}
