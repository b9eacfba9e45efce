package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

// ddl is a statement that defines something, on all servers of the cluster if there is one.
func (s *Sink) ddl(sql string) (string, error) {
	if s.cluster == "" {
		return sql, nil
	}
	return schema.OnCluster(sql, s.cluster)
}

// Single refuses what is not made for a cluster.
func (s *Sink) Single(what string) error {
	if s.cluster == "" {
		return nil
	}
	return fmt.Errorf("%s is not made for clickhouse.cluster yet: see docs/kafka-and-clickhouse.md#a-cluster", what)
}

// checkCluster looks at the servers that are meant.
func (s *Sink) checkCluster(ctx context.Context) (string, error) {
	var replicas, shards uint64
	var others []string
	err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&replicas, &shards, &others) },
		"SELECT countIf(cluster = {cluster:String}), uniqExactIf(shard_num, cluster = {cluster:String}), arraySort(groupUniqArray(cluster)) FROM system.clusters", ch.Named("cluster", s.cluster))
	switch {
	case err != nil:
		return "", fmt.Errorf("asking for the clusters: %w", err)
	case replicas == 0:
		return "", fmt.Errorf("clickhouse.cluster: the server knows no cluster %s, but %s: name one of these, or define it in remote_servers", s.cluster, orDefault(strings.Join(others, ", "), "none"))
	case shards > 1:
		return "", fmt.Errorf("clickhouse.cluster: %s has %d shards; tillstream writes to the replicas of one: name a cluster of one shard", s.cluster, shards)
	}
	return fmt.Sprintf("%d replicas", replicas), nil
}

// checkReplicated looks for tables that are not as the configuration says.
func (s *Sink) checkReplicated(ctx context.Context) error {
	var plain, replicated []string
	err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&plain, &replicated) },
		`SELECT arraySort(groupArrayIf(name, engine NOT LIKE 'Replicated%')), arraySort(groupArrayIf(name, engine LIKE 'Replicated%'))
		FROM system.tables WHERE database = 'tillstream' AND engine LIKE '%MergeTree' AND engine NOT LIKE 'Shared%'`)
	switch {
	case err != nil:
		return fmt.Errorf("asking for the engines of the tables: %w", err)
	case s.cluster != "" && len(plain) > 0:
		return fmt.Errorf("clickhouse.cluster is set, but %d tables are not replicated (%s …): they were made without it; move them as docs/kafka-and-clickhouse.md#a-cluster says, or start with empty databases", len(plain), plain[0])
	case s.cluster == "" && len(replicated) > 0:
		return fmt.Errorf("%d tables are replicated (%s …), but clickhouse.cluster is not set: set it, or what another replica took is not seen", len(replicated), replicated[0])
	}
	return nil
}

// named are the tables of ours in a statement.
var named = regexp.MustCompile(`\btillstream\.(\w+)`)

// catchUp makes the replica that we ask take over all that the others have of the tables in a statement: what a member wrote through another one, before it or we changed replicas, is
// seen then. A quorum does not do that by itself: what a majority has, this one may not have yet; and ClickHouse's own select_sequential_consistency holds only where no two INSERTs
// into a table are under way.
func (s *Sink) catchUp(ctx context.Context, sql string) error {
	if s.cluster == "" {
		return nil
	}
	var tables []string
	for _, m := range named.FindAllStringSubmatch(sql, -1) {
		if !slices.Contains(tables, m[1]) {
			tables = append(tables, m[1])
		}
	}
	if len(tables) == 0 {
		return nil
	}
	var replicated []string
	_, err := s.scan(ctx, func(r driver.Rows) error { return r.Scan(&replicated) },
		"SELECT groupArray(name) FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)} AND engine LIKE 'Replicated%'",
		ch.Named("database", s.database), ch.Named("names", tables))
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, t := range replicated {
		g.Go(func() error {
			if err := s.conn.Exec(ctx, "SYSTEM SYNC REPLICA "+s.database+"."+t+" LIGHTWEIGHT"); err != nil {
				return fmt.Errorf("waiting for this replica to have all of %s: %w", t, s.explain(err))
			}
			return nil
		})
	}
	return g.Wait()
}

// atOnce is how many tables catch up at the same time.
const atOnce = 8

// errMoved says that a replica was asked which has not caught up.
var errMoved = errors.New("the connection went to another replica in the middle of a question")

// moved says whether another replica is asked than before.
func (s *Sink) moved(host int) bool { return s.cluster != "" && s.conn.host() != host }

// unmoved takes no row where another replica may have answered than the one that has caught up.
func (s *Sink) unmoved(host int, scan func(driver.Rows) error) func(driver.Rows) error {
	if s.cluster == "" {
		return scan
	}
	first := true
	return func(r driver.Rows) error {
		if first && s.moved(host) {
			return errMoved
		}
		first = false
		return scan(r)
	}
}
