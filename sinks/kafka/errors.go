package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/sinks/certs"
)

// explain turns what stopped a request into a sentence that says what to do.
func explain(client *kafka.Client, err error) error {
	transport, _ := client.Transport.(*kafka.Transport)
	if transport == nil {
		transport = &kafka.Transport{}
	}
	brokers := client.Addr.String()
	var (
		dial      *net.OpError
		unknown   x509.UnknownAuthorityError
		host      x509.HostnameError
		plaintext tls.RecordHeaderError
		handshake *certs.HandshakeError
		login     *loginError
	)
	secure := errors.As(err, &handshake)
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.As(err, &login):
		return fmt.Errorf("logging in at the brokers %s: %w", brokers, login)
	case secure && (cut || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &dial) && dial.Op == "read"):
		return fmt.Errorf("the brokers at %s do not answer to TLS: name its TLS port in kafka.brokers, or set kafka.tls.enabled to false: %w", brokers, err)
	case strings.Contains(err.Error(), "remote error: tls:"): // crypto/tls does not export what the other side says
		return fmt.Errorf("the brokers at %s do not take the certificate that we show: set kafka.tls.cert_file and kafka.tls.key_file to one that they trust: %w", brokers, err)
	case transport.SASL != nil && (cut || errors.Is(err, kafka.SASLAuthenticationFailed) || strings.Contains(err.Error(), "SCRAM")):
		check := "kafka.sasl.username and the password"
		if _, token := transport.SASL.(*bearer); token {
			check = "kafka.sasl.oauth, and the brokers' log"
		}
		return fmt.Errorf("the brokers at %s refused the login with %s: check %s: %w", brokers, transport.SASL.Name(), check, err)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Errorf("the brokers at %s do not offer the login %s: set kafka.sasl.mechanism to one that they do: %w", brokers, transport.SASL.Name(), err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of Kafka at %s is signed by an authority that is not known here: set kafka.tls.ca_file: %w", brokers, err)
	case errors.As(err, &host):
		return fmt.Errorf("the certificate of Kafka at %s is for another host: set kafka.tls.server_name: %w", brokers, err)
	case errors.As(err, &plaintext):
		return fmt.Errorf("the brokers at %s do not speak TLS on this port: name its TLS port in kafka.brokers, or set kafka.tls.enabled to false: %w", brokers, err)
	case cut:
		return fmt.Errorf("the brokers at %s hung up: if this port wants TLS or a login, set kafka.tls.enabled or kafka.sasl: %w", brokers, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dial) && dial.Timeout():
		return fmt.Errorf("no broker of kafka.brokers (%s) answered in time: check the addresses and the firewall: %w", brokers, err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("no broker of kafka.brokers (%s) can be reached: check the addresses, and that Kafka runs: %w", brokers, err)
	}
	return err
}
