package doctor

import (
	"slices"
	"strings"
)

// group judges how the group stands to what is kept of it, and how far it is.
func (r *report) group(f *Facts) {
	r.area = "group"
	g := &f.Group
	switch {
	case g.Err != nil:
		r.add("state", Fail, "", "%v", g.Err)
		return
	case !g.Asked:
		r.add("state", Skip, "", "Kafka and ClickHouse must answer, be migrated and have the topics first")
		return
	case g.Survey.Stream.Epoch == 0:
		r.ok("state", "group %s was never started: the first tillstream run begins epoch 1", f.Config.Kafka.Group)
		return
	}
	s := &g.Survey
	r.standing(f)
	r.compatible(f)
	if len(g.Deleted) > 0 {
		d := g.Deleted[0]
		more := ""
		if n := len(g.Deleted) - 1; n > 0 {
			more = " and of " + plural(n, "other partition")
		}
		r.add("unread", Fail, "the lane stops there and says which tillstream adopt goes on without them; keep events longer (retention.ms)",
			"Kafka deleted offsets %d to %d of %s:%d%s before they were read", d.From, d.To-1, d.Topic, d.Partition, more)
	}
	if g.Lag > int64(f.Config.Alerts.Lag) {
		r.add("lag", Warn, "see tillstream_lag_offsets whether it falls; more members, up to the number of lanes, make it fall faster", "%d offsets behind, more than alerts.lag", g.Lag)
	} else {
		r.ok("lag", "%d offsets behind, epoch %d with %s", g.Lag, s.Stream.Epoch, plural(s.Stream.Lanes, "lane"))
	}
}

// standing judges who works, and whether what is left behind can go on.
func (r *report) standing(f *Facts) {
	s := &f.Group.Survey
	if len(s.Members) > 0 {
		r.ok("members", "%s: %s", plural(len(s.Members), "member"), some(s.Members))
		return
	}
	if f.Demo {
		r.ok("members", "none runs")
	} else {
		r.add("members", Warn, "start tillstream run", "no member runs: nothing is folded, and no alert is judged")
	}
	var wrong []string
	for _, l := range f.Group.Lanes {
		if l.Err != nil {
			wrong = append(wrong, "lane "+l.Name+": "+l.Err.Error())
		}
	}
	if len(wrong) > 0 {
		r.add("lanes", Warn, "tillstream run finishes batches under way; a lane that cannot go on says what to do", "%s not at rest: %s", plural(len(wrong), "lane"), some(wrong))
	}
}

// compatible judges what a start would refuse.
func (r *report) compatible(f *Facts) {
	s, cfg := &f.Group.Survey, f.Config
	before := len(r.all)
	if s.Stream.Hold != "" {
		r.add("held", Fail, "", "group %s is held: %s", s.Stream.Group, s.Stream.Hold)
	}
	if s.Stream.Cluster != s.Cluster {
		r.add("cluster", Fail, "name the old brokers; or, if the topics were made anew: tillstream adopt --recreated --offset earliest --reason TEXT",
			"the group was read from Kafka cluster %q, this one is %q: offsets mean something else", s.Stream.Cluster, s.Cluster)
	}
	gone := slices.DeleteFunc(slices.Clone(s.Stream.Topics), func(t string) bool { return slices.Contains(cfg.Kafka.Topics, t) })
	if len(gone) > 0 {
		r.add("topics", Fail, "put them back into kafka.topics", "the group reads %s, which kafka.topics no longer names", strings.Join(gone, ", "))
	}
	switch {
	case s.Partitions < s.Stream.Partitions:
		r.add("partitions", Fail, "name the old brokers, or make the topics as they were", "the topics have %d partitions, the group was begun with %d", s.Partitions, s.Stream.Partitions)
	case s.Partitions > s.Stream.Partitions:
		r.add("partitions", Warn, "send all events of a store to one partition still; tillstream epoch takes the new number", "the topics have %d partitions, the group was begun with %d: stores may have moved away from their history", s.Partitions, s.Stream.Partitions)
	}
	if n := cfg.Processor.Lanes; n != 0 && n != s.Stream.Lanes {
		r.add("lanes", Warn, "stop all members and start them again for the new number, or set processor.lanes to 0", "processor.lanes is %d, the data has %d lanes", n, s.Stream.Lanes)
	}
	if len(r.all) == before {
		r.ok("compatible", "cluster, topics, partitions and lanes are those of the data")
	}
}
