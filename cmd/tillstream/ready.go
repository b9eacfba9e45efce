package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// readyCmd asks a running processor; images without a shell check their health with it.
type readyCmd struct {
	Addr string `help:"Where the processor listens." default:"127.0.0.1:9464" placeholder:"ADDR"`
}

func (*readyCmd) Help() string {
	return `For health checks where there is no shell: exit code 0, or 1 and the sentence that says why.

  tillstream ready --addr 127.0.0.1:9464`
}

func (c *readyCmd) Run(e *env) error {
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Addr+"/readyz", nil)
	if err != nil {
		return usageError{fmt.Errorf("--addr: %w", err)}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the processor: %w: see that tillstream run works there, and that --addr is its listen", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return fmt.Errorf("asking the processor: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(body)))
	}
	_, err = e.stdout.Write(body)
	return err
}
