package kafka

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/tillstream/tillstream/processor/fetch"
)

const (
	dialTimeout = 10 * time.Second // with the handshakes of TLS and SASL
	keepAlive   = 30 * time.Second
	metadataTTL = 5 * time.Second // at most, and half of it on average, until a new leader is known
)

// Client makes what the program speaks to Kafka with: the client for everything but group membership, which kafka-go does over a Dialer.
// It reads the files that cfg names and connects to nothing yet. The Transport inside keeps connections: close them with
// Transport.CloseIdleConnections when all is done.
func Client(cfg Config) (*kafka.Client, *kafka.Dialer, error) {
	fetch.RegisterRaw() // before there is a connection
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	tlsConfig, err := cfg.TLS.load()
	if err != nil {
		return nil, nil, err
	}
	mechanism, err := cfg.SASL.load()
	if err != nil {
		return nil, nil, err
	}
	id := cmp.Or(cfg.ClientID, "tillstream")
	dial := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	transport := &kafka.Transport{
		Dial: dial.DialContext, DialTimeout: dialTimeout, MetadataTTL: metadataTTL, ClientID: id, TLS: tlsConfig, SASL: mechanism,
	}
	dialer := &kafka.Dialer{
		ClientID: id, Timeout: dialTimeout, KeepAlive: keepAlive, DualStack: true, TLS: tlsConfig, SASLMechanism: mechanism,
	}
	return &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}, dialer, nil
}

func (s *SASLConfig) load() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	case "scram-sha-256":
		return &scram{name: "SCRAM-SHA-256", hash: sha256.New, username: s.Username, password: password, nonce: rand.Text}, nil
	default:
		return &scram{name: "SCRAM-SHA-512", hash: sha512.New, username: s.Username, password: password, nonce: rand.Text}, nil
	}
}
