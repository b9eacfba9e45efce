// Package schemaregistry asks a schema registry that speaks Confluent's API for the schemas that records were written with.
package schemaregistry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/sinks/certs"
)

// Config says where the registry is.
type Config struct {
	URLs    []string // of its nodes; another one is asked where one does not answer
	Login   certs.Login
	Renewed renewed.Report // of the login's files; may be nil
}

// timeout bounds one question to one node.
const timeout = 5 * time.Second

// Client asks for schemas and remembers them, since they never change. Several goroutines may use it at once.
type Client struct {
	sr *sr.Client

	mu    sync.RWMutex
	known map[int]format.Schema
}

// New makes a Client. Errors name the key of the configuration.
func New(cfg Config) (*Client, error) {
	transport, err := certs.NewTransport("formats.schema_registry", http.DefaultTransport.(*http.Transport), cfg.Login, cfg.URLs, cfg.Renewed)
	if err != nil {
		return nil, err
	}
	client, err := sr.NewClient(sr.URLs(cfg.URLs...), sr.HTTPClient(&http.Client{Timeout: timeout, Transport: transport}), sr.UserAgent("tillstream"))
	if err != nil {
		return nil, fmt.Errorf("formats.schema_registry: %w", err)
	}
	return &Client{sr: client, known: map[int]format.Schema{}}, nil
}

// Check asks for a schema that is not there: nil if that is the answer.
func (c *Client) Check(ctx context.Context) error {
	if _, err := c.Schema(ctx, math.MaxInt32); err != nil && !errors.Is(err, format.ErrUnknownSchema) {
		return err
	}
	return nil
}

// notFound is the registry's own code for an id that it does not have: another 404 is of something else that answers at its address.
const notFound = 40403

// Schema gives the schema of an id. An error that is format.ErrUnknownSchema is the registry's word that there is none; any other one, that it
// could not be asked.
func (c *Client) Schema(ctx context.Context, id int) (format.Schema, error) {
	c.mu.RLock()
	s, ok := c.known[id]
	c.mu.RUnlock()
	if ok {
		return s, nil
	}
	found, err := c.sr.SchemaByID(ctx, id)
	var answer *sr.ResponseError
	switch {
	case errors.As(err, &answer) && answer.ErrorCode == notFound:
		return s, fmt.Errorf("%w: %d", format.ErrUnknownSchema, id)
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return s, fmt.Errorf("the schema registry refuses us: see formats.schema_registry.username and token: %w", err)
	case err != nil:
		return s, fmt.Errorf("asking the schema registry (formats.schema_registry.urls): %w", err)
	}
	s = format.Schema{Type: found.Type.String(), Text: found.Schema, References: len(found.References) > 0}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[id] = s
	return s, nil
}
