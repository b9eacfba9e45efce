package main

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

// source is the Kafka of a configuration.
type source struct {
	client  *kafkago.Client
	dialer  *kafkago.Dialer
	cfg     *config.Config
	schemas processor.Schemas // of the writers of records; nil: there is no registry
	log     *zap.Logger
}

func openKafka(cfg *config.Config, log *zap.Logger) (*source, error) {
	k := cfg.Kafka
	client, dialer, err := kafka.Client(kafka.Config{
		Brokers: k.Brokers, ClientID: k.ClientID, TLS: kafka.TLSConfig(k.TLS), SASL: saslConfig(&k.SASL), Renewed: cfg.Renewed,
	})
	if err != nil {
		return nil, usageError{err}
	}
	schemas, err := openSchemas(cfg)
	if err != nil {
		return nil, err
	}
	return &source{client: client, dialer: dialer, cfg: cfg, schemas: schemas, log: log}, nil
}

func saslConfig(s *config.SASL) kafka.SASLConfig {
	o := &s.OAuth
	out := kafka.SASLConfig{Mechanism: s.Mechanism, Username: s.Username, PasswordFile: s.PasswordFile, OAuth: kafka.OAuthConfig{
		TokenFile: o.TokenFile, TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecretFile: o.ClientSecretFile, Scopes: o.Scopes, Extensions: o.Extensions, TLS: certFiles(&o.TLS),
	}}
	if o.ClientSecretFile == "" {
		out.OAuth.ClientSecret = kafka.Secret(o.ClientSecret)
	}
	if s.PasswordFile == "" {
		out.Password = kafka.Secret(s.Password)
	}
	return out
}

func (s *source) close() {
	if t, ok := s.client.Transport.(*kafkago.Transport); ok {
		t.CloseIdleConnections()
	}
}

// reachable bounds how long the first questions to Kafka may take, so that a wrong address ends in a sentence.
const reachable = 30 * time.Second

// newTopics is how topics are made that are missing: the registry's keeps what was registered last, for good, as a rebuild needs it.
func newTopics() kafka.Creation {
	return kafka.Creation{Own: map[string]map[string]string{registry.Topic: {"cleanup.policy": "compact"}}}
}

// topics makes the topics that are missing and checks that they are co-partitioned.
func (s *source) topics(ctx context.Context, missing kafka.Creation) error {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	_, err := kafka.EnsureTopics(ctx, s.client, s.cfg.Kafka.Topics, missing)
	return err
}

// ingest sends a file of canonical events.
func (s *source) ingest(e *env, ctx context.Context, name string, sent func()) (fileReport, error) {
	w := kafka.NewWriter(s.client, s.log)
	report, err := readEvents(ctx, name, e.stdin, func(ev kafka.Event) error {
		sent()
		return w.Write(ctx, ev)
	})
	if flushed := w.Flush(ctx); err == nil && flushed != nil {
		err = fmt.Errorf("sending %s: %w", name, flushed)
	}
	return report, err
}

// letters are the dead letters of this Kafka.
func (s *source) letters() *kafka.DeadLetters {
	return kafka.NewDeadLetters(s.client, kafka.DeadLettersConfig{Topic: s.cfg.Kafka.DeadLettersTopic}, s.log.Named("dead-letters"))
}

func (s *source) fetcher() *fetch.Fetcher {
	k := s.cfg.Kafka
	return fetch.New(s.client, fetch.Config{MaxWait: duration(k.FetchMaxWait), MaxBytes: int32(k.FetchMaxBytes)}, s.log.Named("fetch"))
}

// epochs looks at the group of this Kafka and at what a sink holds of it.
func (s *source) epochs(sink *clickhouse.Sink) *processor.Epochs {
	return &processor.Epochs{Kafka: s.cluster(), Source: s.fetcher(), Ledgers: sink, Streams: streams{sink}, Now: time.Now, Log: s.log}
}

// processor makes the processor that folds this Kafka into a sink.
func (s *source) processor(ctx context.Context, deps processor.Deps) (*processor.Processor, error) {
	letters := s.letters()
	if err := letters.Open(ctx); err != nil {
		return nil, err
	}
	deps.Letters = letters
	deps.Kafka, deps.Now, deps.Log = s.cluster(), time.Now, s.log
	deps.Source, deps.Schemas = s.fetcher(), s.schemas
	return processor.New(processorConfig(s.cfg), deps), nil
}

// cluster is how a processor sees this Kafka.
func (s *source) cluster() *processor.Cluster {
	return &processor.Cluster{Client: s.client, Dialer: s.dialer, Brokers: s.cfg.Kafka.Brokers}
}

// folded waits until everything that is in the topics now has been folded and committed.
func (s *source) folded(ctx context.Context, proc *processor.Processor) error {
	meta, err := s.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: s.cfg.Kafka.Topics})
	if err != nil {
		return fmt.Errorf("asking Kafka for its topics: %w", err)
	}
	var tps []fetch.TopicPartition
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			tps = append(tps, fetch.TopicPartition{Topic: t.Name, Partition: int32(p.ID)})
		}
	}
	bounds, err := fetch.New(s.client, fetch.Config{}, s.log).Bounds(ctx, tps)
	if err != nil {
		return fmt.Errorf("asking Kafka for the ends of its topics: %w", err)
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		written := map[fetch.TopicPartition]int64{}
		for _, l := range proc.Progress() {
			if l.State == processor.StateStopped {
				return l.Error
			}
			for tp, offset := range l.Written {
				written[tp] = offset
			}
		}
		behind := 0
		for tp, b := range bounds {
			if at, known := written[tp]; !known || at < b.Stable {
				behind++
			}
		}
		if behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}
