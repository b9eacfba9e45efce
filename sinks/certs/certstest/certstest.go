// Package certstest makes certificates for tests, and directories of files that change as Kubernetes changes those of a secret.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one that nobody knows yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t}
	der, key := a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = cert, key
	return a
}

// PEM is the certificate of the authority.
func (a *Authority) PEM() string { return block("CERTIFICATE", a.cert.Raw) }

// Pool trusts the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Issue signs a certificate for 127.0.0.1, for servers and clients, and gives it and its key in PEM.
func (a *Authority) Issue() (cert, key string) {
	a.t.Helper()
	der, private := a.sign(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)
}

// Files are what a client has in a [Mount]: ca.crt of whom it trusts, tls.crt and tls.key of its own.
func Files(trusted, own *Authority) map[string]string {
	own.t.Helper()
	cert, key := own.Issue()
	return map[string]string{"ca.crt": trusted.PEM(), "tls.crt": cert, "tls.key": key}
}

// Server is a server's side of TLS: a certificate of this authority; with mutual, clients must show one of it, too.
func (a *Authority) Server(mutual bool) *tls.Config {
	a.t.Helper()
	cert, key := a.Issue()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		a.t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}}
	if mutual {
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	}
	return conf
}

// sign signs a new key; the authority's own certificate signs itself.
func (a *Authority) sign(cert *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = cert, key
	}
	cert.SerialNumber = new(big.Int).SetBytes([]byte(rand.Text()))
	cert.Subject = pkix.Name{CommonName: rand.Text()} // authorities of one name would be taken for each other
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if der, err = x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer); err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Mount is a directory whose files all change at once, by a link that is replaced, as in a volume of Kubernetes.
type Mount struct {
	t        testing.TB
	dir      string
	versions int
}

// NewMount makes one with files.
func NewMount(t testing.TB, files map[string]string) *Mount {
	t.Helper()
	m := &Mount{t: t, dir: t.TempDir()}
	m.Put(files)
	for name := range files {
		m.must(os.Symlink(filepath.Join("..data", name), m.Path(name)))
	}
	return m
}

// Path is where a file is.
func (m *Mount) Path(name string) string { return filepath.Join(m.dir, name) }

// Put replaces all files.
func (m *Mount) Put(files map[string]string) {
	m.t.Helper()
	m.versions++
	version := fmt.Sprintf("..%d", m.versions)
	m.must(os.Mkdir(m.Path(version), 0o700))
	for name, text := range files {
		m.must(os.WriteFile(filepath.Join(m.dir, version, name), []byte(text), 0o600))
	}
	m.must(os.Symlink(version, m.Path("..new")))
	m.must(os.Rename(m.Path("..new"), m.Path("..data")))
}

func (m *Mount) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}
