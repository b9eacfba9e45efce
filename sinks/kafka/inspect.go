package kafka

import (
	"context"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Operations are what a principal may do with a topic, a group or the cluster: a set of bits, as KIP-430 has them.
type Operations int32

// Operations that tillstream needs, by their numbers in Kafka's AclOperation.
const (
	Read            Operations = 1 << 3
	Write           Operations = 1 << 4
	Create          Operations = 1 << 5
	Describe        Operations = 1 << 8
	DescribeConfigs Operations = 1 << 10
)

// unsaid is what brokers say that do not know, and stands for those that are too old to be asked.
const unsaid Operations = math.MinInt32

// Known says whether the broker said what is allowed.
func (o Operations) Known() bool { return o != unsaid }

// Allow says whether all of some operations are allowed, or that is not known.
func (o Operations) Allow(ops Operations) bool { return !o.Known() || o&ops == ops }

// Inspection is how a cluster is set up, as far as a group of topics is concerned.
type Inspection struct {
	ClusterID          string
	Brokers            int
	FetchMin, FetchMax int          // versions of the request by which records are fetched; both 0 if that could not be asked
	Rights             Operations   // on the cluster
	Group              Operations   // on the consumer group
	Topics             []TopicSetup // in the order asked for
}

// TopicSetup is how one topic is set up.
type TopicSetup struct {
	Name       string
	Missing    bool
	Err        error // why nothing is known of it
	Partitions int
	Replicas   int               // of the partition that has the fewest
	Lagging    int               // partitions of which a replica is not in sync
	Leaderless int               // partitions nobody can read now
	Settings   map[string]string // those in force, by name; nil if they may not be read
	Rights     Operations
}

// Inspect asks a cluster how topics and a group are set up and what we may do with them. It changes nothing. The error says why nothing could be learnt.
func Inspect(ctx context.Context, client *kafka.Client, dialer *kafka.Dialer, topics []string, group string) (*Inspection, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("asking for the topics: %w", explain(client, err))
	}
	found := &Inspection{ClusterID: meta.ClusterID, Brokers: len(meta.Brokers), Rights: unsaid, Group: unsaid}
	versions, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking which requests the brokers know: %w", explain(client, err))
	}
	asked := 0
	for _, k := range versions.ApiKeys {
		switch protocol.ApiKey(k.ApiKey) {
		case protocol.Fetch:
			found.FetchMin, found.FetchMax = k.MinVersion, k.MaxVersion
		case protocol.Metadata:
			asked = k.MaxVersion
		}
	}
	found.Topics = make([]TopicSetup, len(topics))
	byName := map[string]*TopicSetup{}
	for i, name := range topics {
		found.Topics[i] = TopicSetup{Name: name, Rights: unsaid}
		byName[name] = &found.Topics[i]
	}
	for _, t := range meta.Topics {
		if setup := byName[t.Name]; setup != nil {
			setup.Partitions, setup.Err = partitionsOf(&t)
			setup.Missing = setup.Partitions == 0 && setup.Err == nil
			setup.partitions(t.Partitions)
		}
	}
	if asked >= rightsVersion && len(meta.Brokers) > 0 {
		if err := found.rights(ctx, dialer, meta.Brokers[0], byName); err != nil {
			return nil, err
		}
	}
	if err := found.settings(ctx, client, byName); err != nil {
		return nil, err
	}
	return found, found.group(ctx, client, group)
}

func (t *TopicSetup) partitions(all []kafka.Partition) {
	for i, p := range all {
		if i == 0 || len(p.Replicas) < t.Replicas {
			t.Replicas = len(p.Replicas)
		}
		if len(p.Isr) < len(p.Replicas) {
			t.Lagging++
		}
		if p.Leader.Host == "" {
			t.Leaderless++
		}
	}
}

// settings reads those of the topics that may be read.
func (f *Inspection) settings(ctx context.Context, client *kafka.Client, topics map[string]*TopicSetup) error {
	req := &kafka.DescribeConfigsRequest{}
	for _, t := range f.Topics {
		if t.Partitions > 0 {
			req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
		}
	}
	if len(req.Resources) == 0 {
		return nil
	}
	res, err := client.DescribeConfigs(ctx, req)
	if err != nil {
		return fmt.Errorf("asking for the settings of the topics: %w", explain(client, err))
	}
	for _, r := range res.Resources {
		t := topics[r.ResourceName]
		if t == nil || r.Error != nil {
			continue
		}
		t.Settings = map[string]string{}
		for _, e := range r.ConfigEntries {
			t.Settings[e.ConfigName] = e.ConfigValue
		}
	}
	return nil
}

// group asks what we may do with a consumer group. A coordinator that does not come, as on a cluster that was just started, leaves that unsaid.
func (f *Inspection) group(ctx context.Context, client *kafka.Client, name string) error {
	answer, err := client.Transport.RoundTrip(ctx, client.Addr, &describegroups.Request{Groups: []string{name}, IncludeAuthorizedOperations: true})
	if err != nil {
		return fmt.Errorf("asking for group %s: %w", name, explain(client, err))
	}
	res, ok := answer.(*describegroups.Response)
	if !ok {
		return nil
	}
	for _, g := range res.Groups {
		switch kafka.Error(g.ErrorCode) {
		case 0, kafka.GroupIdNotFound:
			f.Group = Operations(g.AuthorizedOperations)
		case kafka.GroupAuthorizationFailed:
			f.Group = 0
		}
	}
	return nil
}

// rightsVersion is the version of the metadata request since which brokers (2.3) say what is allowed.
const rightsVersion = 8

// rights asks a broker what we may do. kafka-go's Transport answers metadata requests from what it remembers, without the rights, so this takes a connection of its own.
func (f *Inspection) rights(ctx context.Context, dialer *kafka.Dialer, broker kafka.Broker, topics map[string]*TopicSetup) error {
	own := *dialer
	var under net.Conn // what kafka-go logs in on, to be used without it
	own.DialFunc = func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		under, err = dialer.DialFunc(ctx, network, addr)
		return under, err
	}
	addr := net.JoinHostPort(broker.Host, fmt.Sprint(broker.Port))
	session, err := own.DialContext(ctx, "tcp", addr) // logs in
	if err != nil {
		return fmt.Errorf("asking broker %s for rights: %w", addr, err)
	}
	defer session.Close()
	conn := protocol.NewConn(under, dialer.ClientID)
	conn.SetVersions(map[protocol.ApiKey]int16{protocol.Metadata: rightsVersion})
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	} else {
		_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	}
	req := &metadata.Request{IncludeClusterAuthorizedOperations: true, IncludeTopicAuthorizedOperations: true}
	for _, t := range f.Topics {
		req.TopicNames = append(req.TopicNames, t.Name)
	}
	answer, err := conn.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("asking broker %s for rights: %w", addr, err)
	}
	res, ok := answer.(*metadata.Response)
	if !ok {
		return nil
	}
	f.Rights = Operations(res.ClusterAuthorizedOperations)
	for _, t := range res.Topics {
		if setup := topics[t.Name]; setup != nil && t.ErrorCode == 0 {
			setup.Rights = Operations(t.TopicAuthorizedOperations)
		}
	}
	return nil
}
