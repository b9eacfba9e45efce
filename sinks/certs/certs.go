// Package certs makes the client's side of TLS out of files.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Files is what a TLS connection is made with.
type Files struct {
	CAFile             string // PEM; empty: the system's
	CertFile, KeyFile  string // both, or neither
	ServerName         string // empty: the host that is dialled
	InsecureSkipVerify bool
}

// Client reads the files. Errors name the key of the configuration that says which: key.ca_file, key.cert_file.
func Client(key string, f Files) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName, InsecureSkipVerify: f.InsecureSkipVerify}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", key, err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.ca_file: %s holds no certificate", key, f.CAFile)
		}
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s.cert_file: %w", key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
