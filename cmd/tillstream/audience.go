package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tillstream/tillstream/processor/audience"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type audienceCmd struct {
	Export audienceExportCmd `cmd:"" default:"withargs" help:"Take out the pseudonyms of the customers who fulfil a condition."`
	Join   audienceJoinCmd   `cmd:"" help:"Find the ids of those who were taken out, here, without any database."`
}

type audienceExportCmd struct {
	target
	Where   string `help:"Whom: a condition on the columns of docs/audiences.md." required:"" placeholder:"CONDITION"`
	Out     string `help:"File for the pseudonyms." required:"" type:"path" placeholder:"FILE"`
	Reason  string `help:"Why. It stands beside every customer, and is kept; the condition if not given." placeholder:"TEXT"`
	Basis   string `help:"What allows it: ${enum}. With consent, only customers who agreed to the purpose are taken." enum:"consent,contract,legitimate_interest" default:"consent"`
	Purpose string `help:"What customers must have agreed to, as tills send it." default:"marketing" placeholder:"PURPOSE"`
	Limit   int    `help:"At most so many." placeholder:"N"`
	Order   string `help:"Who comes first under a limit: a column, and asc or desc." placeholder:"COLUMN"`
	K       int    `help:"Refuse an audience of fewer; privacy.min_group if not given, and no less." placeholder:"N"`
	By      string `help:"Who it is; you and this machine if not given." placeholder:"NAME"`
	Format  string `help:"How they are written: ${enum}." enum:"csv,json" default:"csv"`
}

func (*audienceExportCmd) Help() string {
	return `Writes a file with the pseudonym of each customer who fulfils the condition, and the reason. Who took how many out, when and why is kept in pos.audience_exports.

  tillstream audience --where "segment = 'at_risk' AND net_365d > 200 AND currency = 'EUR'" --reason "win back, spring" --out at-risk.csv
  tillstream audience --where "level = 'slipping'" --order "net_365d desc" --limit 10000 --out slipping.csv
  tillstream audience join --audience slipping.csv --mapping members.csv --secret pseudonym.key --out members-slipping.csv`
}

func (c *audienceExportCmd) Run(e *env) error {
	a := clickhouse.Audience{Where: c.Where, Order: c.Order, Limit: c.Limit}
	if c.Basis == "consent" {
		if a.Purpose = strings.TrimSpace(c.Purpose); a.Purpose == "" {
			return usageError{errors.New("--purpose is empty: say what customers must have agreed to, or another --basis")}
		}
	}
	if c.Reason == "" {
		c.Reason = c.Where
	}
	if c.By == "" {
		c.By = person()
	}
	if err := audience.Check(c.Where); err != nil {
		return usageError{fmt.Errorf("--where: %w", err)}
	}
	if c.Order != "" {
		if err := audience.CheckOrder(c.Order); err != nil {
			return usageError{fmt.Errorf("--order: %w", err)}
		}
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		least, err := sink.MinGroup(e.ctx)
		switch {
		case err != nil:
			return err
		case c.K == 0:
			c.K = int(least)
		case c.K < int(least):
			return usageError{fmt.Errorf("--k %d: it takes at least %d, which privacy.min_group says", c.K, least)}
		}
		if c.Limit < 0 || c.Limit > 0 && c.Limit < c.K {
			return usageError{fmt.Errorf("--limit %d: an audience of fewer than %d (--k) is refused", c.Limit, c.K)}
		}
		all, agreed, err := sink.CountAudience(e.ctx, a)
		if err != nil {
			return err
		}
		x := &clickhouse.Export{ID: rand.Text(), By: c.By, Reason: c.Reason, Basis: c.Basis, Format: c.Format, Audience: a, LeftOut: all - agreed, K: c.K}
		switch {
		case agreed < uint64(c.K) && all >= uint64(c.K):
			return fmt.Errorf("%d customers fulfil the condition, but fewer than %d of them agreed to %q, and an audience of so few is refused; look at pos.customer_consent for what was agreed to", all, c.K, a.Purpose)
		case agreed < uint64(c.K):
			return fmt.Errorf("fewer than %d customers fulfil the condition, and an audience of so few is refused: make it wider", c.K)
		}
		// What leaves is on record before it is there.
		err = writeWhole(c.Out, func(w io.Writer) error { return c.write(e, sink, x, w) }, func() error { return sink.PutExport(e.ctx, x) })
		if err != nil {
			return fmt.Errorf("writing %s: %w", c.Out, err)
		}
		fmt.Fprintf(e.stderr, "%d customers in %s; %d more fulfil the condition and did not agree. Kept as export %s\n", x.Customers, c.Out, x.LeftOut, x.ID)
		return nil
	})
}

// write writes the audience, and counts and digests it.
func (c *audienceExportCmd) write(e *env, sink *clickhouse.Sink, x *clickhouse.Export, w io.Writer) error {
	result := &clickhouse.Result{Columns: []clickhouse.Column{{Name: "customer", Type: "UInt64"}, {Name: "reason", Type: "String"}}}
	result.Rows = func(yield func([]any, error) bool) {
		for customer, err := range sink.Audience(e.ctx, x.Audience) {
			x.Customers++
			if !yield([]any{customer, x.Reason}, err) {
				return
			}
		}
	}
	digest := sha256.New()
	if err := result.Write(io.MultiWriter(w, digest), clickhouse.Format(c.Format)); err != nil {
		return err
	}
	x.SHA256 = hex.EncodeToString(digest.Sum(nil))
	if x.Customers < uint64(c.K) { // consent was taken back since they were counted
		return fmt.Errorf("fewer than %d customers are left, and an audience of so few is refused", c.K)
	}
	return nil
}

// writeWhole makes a file appear whole, for its owner alone, after then has not failed.
func writeWhole(name string, write func(io.Writer) error, then func() error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tillstream-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // on errors; it is renamed at the happy end
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := then(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// audienceJoinCmd has no target: ids and the secret stay on this machine.
type audienceJoinCmd struct {
	Audience string `help:"What tillstream audience wrote, as CSV." required:"" type:"existingfile" placeholder:"FILE"`
	Mapping  string `help:"CSV with a column id: your members. A column type says of what kind each is." required:"" type:"existingfile" placeholder:"FILE"`
	Type     string `help:"Of what kind they are where no column says it, as tills send it." default:"loyalty" placeholder:"TYPE"`
	Secret   string `help:"File with the secret of the pseudonyms; or name the configuration." type:"path" placeholder:"FILE"`
	Config   string `help:"Configuration file that has the secret." type:"path" placeholder:"FILE"`
	Out      string `help:"File for the rows of the mapping whose customers are in the audience." required:"" type:"path" placeholder:"FILE"`
}

func (*audienceJoinCmd) Help() string {
	return `Computes the pseudonym of every id of the mapping with the secret, on this machine, and writes the rows whose pseudonym is in the audience, with the reason. It opens no connection.

  tillstream audience join --audience at-risk.csv --mapping members.csv --secret pseudonyms --out letters.csv`
}

func (c *audienceJoinCmd) Run(e *env) error {
	secret, err := c.secret(e)
	if err != nil {
		return err
	}
	chosen, err := os.Open(c.Audience)
	if err != nil {
		return err
	}
	defer chosen.Close()
	mapping, err := os.Open(c.Mapping)
	if err != nil {
		return err
	}
	defer mapping.Close()
	var j audience.Joined
	err = writeWhole(c.Out, func(w io.Writer) error {
		j, err = audience.Join(secret, c.Type, chosen, mapping, w)
		return err
	}, func() error { return nil })
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%d of %d customers of the audience are in the mapping of %d rows\n", j.Matched, j.Audience, j.Rows)
	if j.Matched == 0 && j.Audience > 0 {
		return errors.New("nobody was found: is it the secret that tillstream run uses, and are the customers of this --type?")
	}
	return nil
}

func (c *audienceJoinCmd) secret(e *env) ([]byte, error) {
	if c.Secret != "" {
		b, err := os.ReadFile(c.Secret)
		if err != nil {
			return nil, usageError{fmt.Errorf("reading --secret: %w", err)}
		}
		if s := strings.TrimSpace(string(b)); s != "" {
			return []byte(s), nil
		}
		return nil, usageError{fmt.Errorf("--secret: %s is empty", c.Secret)}
	}
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return nil, err
	}
	if cfg.Privacy.Secret == "" {
		return nil, usageError{errors.New("there is no secret: name its file with --secret, or a configuration that has privacy.secret with --config")}
	}
	return []byte(cfg.Privacy.Secret), nil
}
