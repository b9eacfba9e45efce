package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/sinks/certs"
)

// Config says where Kafka is and how to log in.
type Config struct {
	Brokers  []string   `yaml:"brokers"`   // host:port; some of them suffice, they name the others
	ClientID string     `yaml:"client_id"` // how the brokers' logs and quotas call this program; default tillstream
	TLS      TLSConfig  `yaml:"tls"`
	SASL     SASLConfig `yaml:"sasl"`

	Renewed renewed.Report `yaml:"-" json:"-"` // of the files of TLS and SASL, which are read anew when they change; may be nil
}

// TLSConfig is how to speak TLS.
type TLSConfig struct {
	Enabled            bool   `yaml:"enabled"`
	CAFile             string `yaml:"ca_file"` // PEM; default: the system's
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"` // default: the broker's host
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// SASLConfig is how to log in. Without a mechanism there is no login.
type SASLConfig struct {
	Mechanism    string      `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512 or oauthbearer
	Username     string      `yaml:"username"`
	Password     Secret      `yaml:"password"`
	PasswordFile string      `yaml:"password_file"` // white space around it left out; for Kubernetes and Docker secrets
	OAuth        OAuthConfig `yaml:"oauth"`         // of oauthbearer, which takes neither name nor password
}

// Validate names every key that is wrong.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("kafka."+key+": "+format, args...))
	}
	if len(c.Brokers) == 0 {
		wrong("brokers", "name at least one broker, as host:port")
	}
	for _, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			wrong("brokers", "%q is not host:port", b)
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		wrong("tls.cert_file", "set both this and kafka.tls.key_file, or neither")
	}
	if !c.TLS.Enabled && (c.TLS.CAFile != "" || c.TLS.CertFile != "" || c.TLS.ServerName != "") {
		wrong("tls.enabled", "is not set, so the other keys of kafka.tls mean nothing; set it to true, or remove them")
	}
	s := &c.SASL
	switch s.Mechanism {
	case "":
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			wrong("sasl.mechanism", "is not set, so nobody logs in; set it to plain, scram-sha-256, scram-sha-512 or oauthbearer")
		}
	case "oauthbearer":
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			wrong("sasl.username", "means nothing to oauthbearer: the token says who we are; remove it and the password")
		}
		s.OAuth.validate(wrong)
	case "plain", "scram-sha-256", "scram-sha-512":
		if s.Username == "" {
			wrong("sasl.username", "is missing")
		}
		if (s.Password == "") == (s.PasswordFile == "") {
			wrong("sasl.password", "set either this or kafka.sasl.password_file")
		}
	default:
		wrong("sasl.mechanism", "%q is not plain, scram-sha-256, scram-sha-512 or oauthbearer", s.Mechanism)
	}
	return errors.Join(errs...)
}

// watch is nil without TLS.
func (t *TLSConfig) watch(report renewed.Report) (*renewed.Value[*tls.Config], error) {
	if !t.Enabled {
		return nil, nil
	}
	return certs.Watch("kafka.tls", certs.Files{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}, report)
}

func (s *SASLConfig) watch(report renewed.Report) (*renewed.Value[string], error) {
	return renewed.New("kafka.sasl.password_file", report, func() (string, error) {
		return renewed.Text("kafka.sasl.password_file", s.PasswordFile, string(s.Password))
	}, s.PasswordFile)
}
