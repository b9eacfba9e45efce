package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

type simulateCmd struct {
	Seed     uint64    `help:"The same seed and settings make the same bytes." default:"1"`
	Stores   int       `help:"Number of stores." default:"8"`
	Tills    int       `help:"Tills in a store." default:"3"`
	Days     int       `help:"Days of history." default:"14"`
	Until    time.Time `help:"End of the history, RFC 3339; now if not given." placeholder:"TIME"`
	Out      string    `help:"File for the events, - for standard output; .zst is packed." default:"-" placeholder:"FILE"`
	Registry string    `help:"File for the manifests of the chain, for tillstream apply." placeholder:"FILE"`
	Truth    string    `help:"File for the ground truth, as JSON." placeholder:"FILE"`
	Secret   string    `help:"File with the secret of the processor, so that the truth can name pseudonyms." type:"path" placeholder:"FILE"`
}

func (*simulateCmd) Help() string {
	return `Nothing is asked and nothing is sent: the events go to a file or to standard output.

  tillstream simulate --days 2 --out - | tillstream ingest --config tillstream.yaml -
  tillstream simulate --stores 50 --seed 7 --out chain.jsonl.zst --registry chain.yaml --truth truth.json`
}

func (c *simulateCmd) Run(e *env) error {
	if c.Until.IsZero() {
		c.Until = time.Now().UTC().Truncate(time.Second)
	}
	cfg := simulator.Default()
	cfg.Seed, cfg.Stores, cfg.TillsPerStore = c.Seed, c.Stores, c.Tills
	cfg.Start, cfg.End = c.Until.AddDate(0, 0, -c.Days), c.Until
	if c.Secret != "" {
		secret, err := os.ReadFile(c.Secret)
		if err != nil {
			return usageError{fmt.Errorf("reading --secret: %w", err)}
		}
		cfg.Secret = []byte(strings.TrimSpace(string(secret)))
	}
	sim, err := simulator.New(cfg)
	if err != nil {
		return usageError{err}
	}

	err = writeFile(c.Out, e.stdout, func(w io.Writer) error {
		for ev := range sim.Events() {
			if e.ctx.Err() != nil {
				return e.ctx.Err()
			}
			if _, err := w.Write(ev.Value); err != nil {
				return err
			}
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	if c.Registry != "" {
		err := writeFile(c.Registry, e.stdout, func(w io.Writer) error {
			_, err := w.Write(sim.Registry())
			return err
		})
		if err != nil {
			return fmt.Errorf("writing the manifests: %w", err)
		}
	}
	if c.Truth == "" {
		return nil
	}
	err = writeFile(c.Truth, e.stdout, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(sim.Truth())
	})
	if err != nil {
		return fmt.Errorf("writing the ground truth: %w", err)
	}
	return nil
}

// writeFile writes a file, or standard output for -, and reports every error up to the last byte.
func writeFile(name string, stdout io.Writer, write func(io.Writer) error) error {
	out := stdout
	var file *os.File
	if name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close() // on errors; the happy end is checked below
		file, out = f, f
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	var err error
	if strings.HasSuffix(name, ".zst") {
		var z *zstd.Encoder
		if z, err = zstd.NewWriter(buffered); err != nil {
			return err
		}
		if err = write(z); err == nil {
			err = z.Close()
		}
	} else {
		err = write(buffered)
	}
	if err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if file != nil {
		return file.Close()
	}
	return nil
}
