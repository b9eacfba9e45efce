package clickhouse

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	// defined is the head of every statement that is written here, up to the name of what it defines.
	defined   = regexp.MustCompile(`^(CREATE DATABASE IF NOT EXISTS|CREATE TABLE IF NOT EXISTS|CREATE TABLE|DROP TABLE IF EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE)\s+[\w.]+`)
	mergeTree = regexp.MustCompile(`\bENGINE = (\w*MergeTree)\b`)
	window    = regexp.MustCompile(`\bnon_replicated_deduplication_window = (\d+)`)
	cluster   = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// ValidCluster says whether a cluster may be called so.
func ValidCluster(name string) bool { return cluster.MatchString(name) }

// tokenSeconds is for how long tables of a cluster remember tokens, beside how many of them: longer than a batch can be under way. By default it is an hour.
const tokenSeconds = 7 * 24 * 3600

// OnCluster is a statement of a migration for a cluster: it is carried out on all of its servers, and tables are replicated. Where their Keeper has them is what the
// servers' default_replica_path and default_replica_name say: {uuid}, {shard} and {replica}, which no name or exchange of tables can mix up.
func OnCluster(sql, cluster string) (string, error) {
	head := defined.FindString(sql)
	if head == "" || !ValidCluster(cluster) {
		return "", fmt.Errorf("this cannot be done on cluster %q: %.80s", cluster, sql)
	}
	rest := sql[len(head):]
	if strings.HasPrefix(head, "CREATE TABLE ") {
		if n := len(mergeTree.FindAllString(rest, -1)); n > 1 || n == 0 && !strings.HasPrefix(strings.TrimSpace(rest), "AS ") {
			return "", fmt.Errorf("this has %d engines where one is wanted: %.80s", n, sql)
		}
		rest = mergeTree.ReplaceAllString(rest, "ENGINE = Replicated$1")
	}
	if strings.HasPrefix(head, "CREATE TABLE ") || strings.HasPrefix(head, "ALTER TABLE ") {
		rest = window.ReplaceAllString(rest, fmt.Sprintf("replicated_deduplication_window = $1, replicated_deduplication_window_seconds = %d", tokenSeconds))
	}
	return head + " ON CLUSTER '" + cluster + "'" + rest, nil
}
