package kafka

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
)

// scram logs in as RFC 5802 has it. kafka-go's own normalizes passwords with SASLprep, which Kafka's brokers do not, so that a password
// such as "ﬁnance" could never be right, and it takes three more modules.
type scram struct {
	name               string
	hash               func() hash.Hash
	username, password string
	nonce              func() string // printable, without commas
}

func (s *scram) Name() string { return s.name }

// Start says who wants to log in.
func (s *scram) Start(context.Context) (sasl.StateMachine, []byte, error) {
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.username)
	c := &conversation{scram: s, nonce: s.nonce()}
	c.first = "n=" + user + ",r=" + c.nonce
	return c, []byte(noBinding + c.first), nil
}

const noBinding = "n,," // the header of a client without channel binding

// maxIterations bounds the work that a broker can ask for. Kafka's default is 4096.
const maxIterations = 1 << 20

// conversation is one login.
type conversation struct {
	*scram
	nonce, first string
	signature    []byte // what the server must prove to know; nil until the client has given its proof
}

// Next answers the server's first message with the proof, and checks the server's own in its second.
func (c *conversation) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	if c.signature != nil {
		return true, nil, c.check(string(challenge))
	}
	nonce, salt, iterations, err := parseServerFirst(string(challenge))
	if err != nil {
		return false, nil, err
	}
	if !strings.HasPrefix(nonce, c.nonce) || len(nonce) == len(c.nonce) {
		return false, nil, errors.New("logging in with SCRAM: the broker answers somebody else")
	}
	salted, err := pbkdf2.Key(c.hash, c.password, salt, iterations, c.hash().Size())
	if err != nil {
		return false, nil, fmt.Errorf("logging in with SCRAM: %w", err)
	}
	final := "c=" + base64.StdEncoding.EncodeToString([]byte(noBinding)) + ",r=" + nonce
	said := c.first + "," + string(challenge) + "," + final
	clientKey := c.mac(salted, "Client Key")
	stored := c.hash()
	stored.Write(clientKey)
	proof := c.mac(stored.Sum(nil), said)
	subtle.XORBytes(proof, proof, clientKey)
	c.signature = c.mac(c.mac(salted, "Server Key"), said)
	return false, []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

func (c *conversation) mac(key []byte, text string) []byte {
	m := hmac.New(c.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (c *conversation) check(final string) error {
	if why, refused := strings.CutPrefix(final, "e="); refused {
		return fmt.Errorf("logging in with SCRAM: %s", why)
	}
	said, ok := strings.CutPrefix(final, "v=")
	said, _, _ = strings.Cut(said, ",")
	signature, err := base64.StdEncoding.DecodeString(said)
	if !ok || err != nil || !hmac.Equal(signature, c.signature) {
		return errors.New("logging in with SCRAM: the broker does not know the password itself")
	}
	return nil
}

func parseServerFirst(s string) (nonce string, salt []byte, iterations int, err error) {
	part := strings.SplitN(s, ",", 4)
	bad := errors.New("logging in with SCRAM: the broker's first message is not understood")
	if len(part) < 3 || !strings.HasPrefix(part[0], "r=") || !strings.HasPrefix(part[1], "s=") || !strings.HasPrefix(part[2], "i=") {
		return "", nil, 0, bad
	}
	if salt, err = base64.StdEncoding.DecodeString(part[1][2:]); err != nil || len(salt) == 0 {
		return "", nil, 0, bad
	}
	if iterations, err = strconv.Atoi(part[2][2:]); err != nil || iterations < 1 || iterations > maxIterations {
		return "", nil, 0, bad
	}
	return part[0][2:], salt, iterations, nil
}
