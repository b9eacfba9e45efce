package certs

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/tillstream/tillstream/internal/renewed"
)

// Watch is Client whose files are read anew when they change.
func Watch(key string, f Files, report renewed.Report) (*renewed.Value[*tls.Config], error) {
	return renewed.New(key, report, func() (*tls.Config, error) { return Client(key, f) }, f.paths()...)
}

func (f *Files) paths() []string { return []string{f.CAFile, f.CertFile, f.KeyFile} }

// HandshakeError says that the other side was reached, and that TLS with it was not.
type HandshakeError struct {
	Addr string
	Err  error
}

func (e *HandshakeError) Error() string { return "TLS handshake with " + e.Addr + ": " + e.Err.Error() }

func (e *HandshakeError) Unwrap() error { return e.Err }

// Dialer dials and encrypts: the certificates of each connection are those that the files hold then.
func Dialer(d *net.Dialer, files *renewed.Value[*tls.Config]) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		config, _ := files.Get()
		if config.ServerName == "" {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				host = addr
			}
			config = config.Clone()
			config.ServerName = host
		}
		secure := tls.Client(conn, config)
		if d.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d.Timeout)
			defer cancel()
		}
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, &HandshakeError{addr, err}
		}
		return secure, nil
	}
}
