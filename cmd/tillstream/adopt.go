package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
)

type adoptCmd struct {
	mending
	Topic     string `help:"Topic that is to go on elsewhere." placeholder:"TOPIC"`
	Partition int32  `help:"Partition of it; all if not given." default:"-1" placeholder:"N"`
	Offset    string `help:"Where: an offset, earliest (the first that Kafka holds and that was not folded yet), latest, or committed (where Kafka says the group is)." placeholder:"OFFSET"`
	AllLanes  bool   `help:"All go on where ClickHouse ends, whatever Kafka says."`
	Recreated bool   `help:"The topic (all of them without --topic) was deleted and made anew, or the partition lost its end: offsets name other records now."`
	DryRun    bool   `help:"Only say what would be done."`
	Yes       bool   `help:"Do not ask."`
}

func (*adoptCmd) Help() string {
	return `Says for every partition what Kafka holds, what is committed, where ClickHouse ends and what would be lost, and asks. All members must be stopped. The sentence of a
stopped lane names the command that mends it; the background is in docs/operations.md.

  tillstream adopt --config tillstream.yaml --all-lanes --reason "restored the backup of Sunday" --dry-run
  tillstream adopt --config tillstream.yaml --topic pos.health --partition 3 --offset earliest --reason "retention was too short"`
}

func (c *adoptCmd) Run(e *env) error {
	a, err := c.adoption()
	if err != nil {
		return usageError{err}
	}
	return c.open(e, func(r *repair) error {
		s, err := r.survey(e.ctx)
		if err != nil {
			return err
		}
		if s.Newest == 0 {
			return fmt.Errorf("neither Kafka nor ClickHouse knows group %s: look at --group and kafka.group", s.Stream.Group)
		}
		if was := s.Stream.Cluster; was != "" && was != s.Cluster && (!a.Remade || a.Topic != "") {
			return fmt.Errorf("group %s was read from Kafka cluster %q, this one is %q: if all topics were made anew there, use --recreated --offset earliest without --topic", s.Stream.Group, was, s.Cluster)
		}
		if was := s.Stream.Partitions; was > s.Partitions && !a.Remade {
			return fmt.Errorf("the topics of group %s had %d partitions and have %d now: if they were made anew, use --recreated --offset earliest", s.Stream.Group, was, s.Partitions)
		}
		if !c.DryRun {
			if err := r.epochs.Quiet(e.ctx, &s); err != nil {
				return err
			}
		}
		standings, err := r.epochs.Adopt(e.ctx, &s, a)
		if err != nil {
			return err
		}
		if err := c.show(e, r, &s, standings); err != nil || c.DryRun {
			return err
		}
		if err := confirm(e, c.Yes); err != nil {
			return err
		}
		got, err := r.epochs.Apply(e.ctx, &s, standings, r.next(&s, 0, c.Reason))
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "epoch %d of group %s begins; start tillstream run\n", got.Epoch, got.Group)
		return nil
	})
}

// adoption reads the flags.
func (c *adoptCmd) adoption() (processor.Adoption, error) {
	a := processor.Adoption{Topic: c.Topic, Partition: c.Partition, Place: c.Offset, Remade: c.Recreated}
	switch {
	case strings.TrimSpace(c.Reason) == "":
		return a, errors.New("--reason is needed: it is kept with what is lost")
	case c.AllLanes && (c.Topic != "" || c.Offset != "" || c.Recreated):
		return a, errors.New("--all-lanes stands alone: every partition goes on where ClickHouse ends")
	case c.AllLanes:
		a.Place = processor.Held
		return a, nil
	case c.Offset == "":
		return a, errors.New("say where to go on: --topic TOPIC [--partition N] --offset OFFSET|earliest|latest|committed, or --all-lanes")
	case c.Topic == "" && (!c.Recreated || c.Partition >= 0):
		return a, errors.New("say which topic: --topic TOPIC; only with --recreated all of them may be meant")
	}
	if !slices.Contains([]string{processor.Earliest, processor.Latest, processor.Committed}, c.Offset) {
		n, err := strconv.ParseInt(c.Offset, 10, 64)
		if err != nil || n < 0 {
			return a, fmt.Errorf("--offset %s: it takes an offset, earliest, latest or committed", c.Offset)
		}
		a.Place, a.Offset = "", n
	}
	return a, nil
}

// show says what is there, and what will be lost or read again.
func (c *adoptCmd) show(e *env, r *repair, s *processor.Survey, standings []processor.Standing) error {
	if len(s.Members) > 0 {
		fmt.Fprintf(e.stdout, "group %s has members, so this moves on: %s\n", s.Stream.Group, strings.Join(s.Members, ", "))
	}
	for _, l := range r.epochs.LaneStandings(s) {
		var underway *commit.Underway
		if errors.As(l.Err, &underway) {
			fmt.Fprintf(e.stdout, "%v: a start of tillstream run as it was would finish it, if it can. Here it is given up\n", underway)
		}
	}
	known := func(offset int64) string {
		if offset < 0 {
			return "-"
		}
		return strconv.FormatInt(offset, 10)
	}
	t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "partition\tKafka holds\tcommitted\tClickHouse holds up to\tbegins at\t")
	var lost, again int64
	for _, p := range standings {
		holds := "nothing"
		if p.End > p.Start {
			holds = fmt.Sprintf("%d to %d", p.Start, p.End-1)
		}
		what := ""
		switch l := p.Loss; {
		case l != nil && l.To <= l.From:
			what = fmt.Sprintf("LOST: whatever the old topic held from %d on", l.From)
		case l != nil:
			what = fmt.Sprintf("LOST: %d to %d", l.From, l.To-1)
			lost += l.To - l.From
		case p.Again() > 0:
			what = fmt.Sprintf("read again: %d to %d", p.Begin, p.Begin+p.Again()-1)
			again += p.Again()
		}
		fmt.Fprintf(t, "%s:%d\t%s\t%s\t%s\t%d\t%s\n", p.Topic, p.Partition, holds, known(p.Committed), known(p.Held), p.Begin, what)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	fmt.Fprintf(e.stdout, "epoch %d of group %s would begin here: %d offsets are lost, %d are read again that ClickHouse does not hold; none is counted twice\n",
		s.Newest+1, s.Stream.Group, lost, again)
	return nil
}

// confirm asks a person, unless told not to.
func confirm(e *env, yes bool) error {
	if yes {
		return nil
	}
	f, ok := e.stdin.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		return usageError{errors.New("nothing was changed: add --yes, or answer at a terminal")}
	}
	fmt.Fprint(e.stdout, "Go on? Type yes: ")
	answer, err := bufio.NewReader(e.stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}
