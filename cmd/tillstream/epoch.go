package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

// mending is what the commands have in common that look at a stopped group and change its epoch.
type mending struct {
	Config string `help:"Configuration file of the processor." type:"path" placeholder:"FILE"`
	Group  string `help:"Consumer group, if not kafka.group of the configuration." placeholder:"GROUP"`
	Reason string `help:"Why, for those who look at it later (tillstream.streams, pos.losses)." placeholder:"TEXT"`
}

// repair is a group with its Kafka and its ClickHouse.
type repair struct {
	cfg    *config.Config
	epochs *processor.Epochs
}

// open opens both for the time of f.
func (m *mending) open(e *env, f func(*repair) error) error {
	cfg, err := loadConfig(e, m.Config)
	if err != nil {
		return err
	}
	if m.Group != "" {
		cfg.Kafka.Group = m.Group
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	sink, err := openChecked(e.ctx, cfg, cfg.ClickHouse.Migrate)
	if err != nil {
		return err
	}
	defer sink.Close()
	kafka, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer kafka.close()
	if err := kafka.topics(e.ctx, sinkkafka.Creation{}); err != nil {
		return err
	}
	return f(&repair{cfg, kafka.epochs(sink)})
}

func (r *repair) survey(ctx context.Context) (processor.Survey, error) {
	s, err := r.epochs.Survey(ctx, r.cfg.Kafka.Group, r.cfg.Kafka.Topics)
	if err == nil && s.Stream.Hold != "" {
		err = fmt.Errorf("group %s is held: %s", s.Stream.Group, s.Stream.Hold)
	}
	return s, err
}

// next is the epoch to begin: with the lanes that were asked for, else those there were, else those of the configuration.
func (r *repair) next(s *processor.Survey, lanes int, reason string) processor.Stream {
	for _, n := range []int{s.Stream.Lanes, r.cfg.Processor.Lanes, 8} {
		if lanes == 0 {
			lanes = n
		}
	}
	return processor.Stream{
		Group: s.Stream.Group, Lanes: min(lanes, s.Partitions), Partitions: s.Partitions, Topics: slices.Sorted(slices.Values(r.cfg.Kafka.Topics)), Cluster: s.Cluster,
		Reason: reason, By: person(),
	}
}

// person names who runs a command.
func person() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

type epochCmd struct {
	mending
	Lanes int  `help:"Number of lanes of the new epoch; that of the old one if not given. processor.lanes must be the same, or 0." placeholder:"N"`
	Check bool `help:"Only say whether all lanes are at rest and nobody works, so that an upgrade, a backup or a new epoch is safe: exit code 0, else 1."`
}

func (*epochCmd) Help() string {
	return `All members must be stopped. When a new epoch is needed, and when it begins by itself, is in docs/operations.md.

  tillstream epoch --config tillstream.yaml --check
  tillstream epoch --config tillstream.yaml --lanes 16 --reason "more machines"`
}

func (c *epochCmd) Run(e *env) error {
	if c.Check {
		return c.open(e, func(r *repair) error { return c.check(e, r) })
	}
	if strings.TrimSpace(c.Reason) == "" || c.Lanes < 0 {
		return usageError{errors.New("--reason is needed, and --lanes cannot be negative: tillstream epoch --reason TEXT [--lanes N], or tillstream epoch --check")}
	}
	return c.open(e, func(r *repair) error {
		s, err := r.survey(e.ctx)
		if err != nil {
			return err
		}
		switch {
		case s.Stream.Epoch == 0:
			return fmt.Errorf("group %s has not been started yet: the first tillstream run begins its first epoch", s.Stream.Group)
		case s.Stream.Cluster != s.Cluster:
			return fmt.Errorf("group %s was read from Kafka cluster %q, this one is %q: tillstream adopt --recreated --offset earliest --reason TEXT takes it for the same group", s.Stream.Group, s.Stream.Cluster, s.Cluster)
		}
		got, err := r.epochs.Carry(e.ctx, r.next(&s, c.Lanes, c.Reason))
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "epoch %d of group %s begins, with %d lanes; every partition goes on where it ended\n", got.Epoch, got.Group, got.Lanes)
		return nil
	})
}

// check says of each lane whether it is at rest.
func (c *epochCmd) check(e *env, r *repair) error {
	s, err := r.epochs.Survey(e.ctx, r.cfg.Kafka.Group, r.cfg.Kafka.Topics)
	if err != nil {
		return err
	}
	restless := 0
	for _, l := range r.epochs.LaneStandings(&s) {
		if l.Err != nil {
			restless++
			fmt.Fprintf(e.stdout, "lane %s: %v\n", l.Name, l.Err)
		} else {
			fmt.Fprintf(e.stdout, "lane %s: at rest after batch %d of epoch %d\n", l.Name, l.Batch, s.Stream.Epoch)
		}
	}
	switch {
	case s.Stream.Hold != "":
		return fmt.Errorf("group %s is held: %s", s.Stream.Group, s.Stream.Hold)
	case len(s.Members) > 0:
		return &processor.BusyError{Group: s.Stream.Group, Members: s.Members}
	case restless > 0:
		return fmt.Errorf("%d lanes are not at rest: start tillstream run as it was, which finishes batches under way, and stop it with SIGTERM; a lane that stopped says what to do", restless)
	}
	fmt.Fprintf(e.stdout, "group %s is at rest\n", s.Stream.Group)
	return nil
}
