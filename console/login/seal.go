package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// sealer encrypts and signs what browsers keep for us (AES-256-GCM). What was sealed for one purpose does not open for another.
type sealer struct{ aead cipher.AEAD }

// newSealer derives its key of the secret that we share with the provider: all processes of one configuration have the same, and it changes with the secret.
func newSealer(secret string) (sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "tillstream console sessions", 32)
	if err != nil {
		return sealer{}, fmt.Errorf("deriving the key of sessions: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, fmt.Errorf("making the cipher of sessions: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// envelope ends, whatever the browser does with the cookie.
type envelope struct {
	Until   int64           `json:"u"` // seconds since 1970
	Content json.RawMessage `json:"c"`
}

func (s sealer) seal(purpose string, until time.Time, content any) (string, error) {
	inner, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("sealing a %s: %w", purpose, err)
	}
	text, err := json.Marshal(envelope{until.Unix(), inner})
	if err != nil {
		return "", fmt.Errorf("sealing a %s: %w", purpose, err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(purpose))), nil
}

var errSealed = errors.New("it was not sealed here, was changed, or has ended")

// open gives until when it holds.
func (s sealer) open(purpose, sealed string, now time.Time, content any) (time.Time, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return time.Time{}, errSealed
	}
	text, err := s.aead.Open(nil, nil, raw, []byte(purpose))
	if err != nil {
		return time.Time{}, errSealed
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return time.Time{}, errSealed
	}
	until := time.Unix(e.Until, 0)
	if !now.Before(until) {
		return time.Time{}, errSealed
	}
	return until, json.Unmarshal(e.Content, content)
}
