package clickhouse

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// User is who we are to the server.
func (s *Sink) User() string { return s.user() }

// Space is what the server's default disk has, in bytes.
func (s *Sink) Space(ctx context.Context) (free, total uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&free, &total) }, "SELECT filesystemAvailable(), filesystemCapacity()")
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the space on disk: %w", err)
	}
	return free, total, nil
}

// Lacking says which of some grants ("GRANT SELECT ON pos.*") we do not have.
func (s *Sink) Lacking(ctx context.Context, grants []string) (lacking []string, err error) {
	for _, g := range grants {
		what, ok := strings.CutPrefix(g, "GRANT ")
		if !ok {
			continue // it takes away
		}
		var has uint8
		if err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&has) }, "CHECK GRANT "+what); err != nil {
			return nil, fmt.Errorf("asking for our rights: %w", err)
		}
		if has == 0 {
			lacking = append(lacking, g)
		}
	}
	return lacking, nil
}

// Strangers are stores that sent something and are not registered, those that are registered now without opening hours, and those whose terminals came through
// several partitions: how many, and the names of a few.
type Strangers struct {
	Unregistered, WithoutHours, Scattered                uint64
	UnregisteredNames, WithoutHoursNames, ScatteredNames []string
	Registered                                           uint64
}

// Strangers asks for stores that the registry says nothing of, or no hours, or that are in several partitions.
func (s *Sink) Strangers(ctx context.Context) (x Strangers, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		return r.Scan(&x.Registered, &x.WithoutHours, &x.WithoutHoursNames, &x.Unregistered, &x.UnregisteredNames, &x.Scattered, &x.ScatteredNames)
	}, `WITH (SELECT (uniqExact(store_id), uniqExactIf(store_id, has_hours = 0), arraySort(groupUniqArrayIf(5)(store_id, has_hours = 0))) FROM pos.stores
			WHERE ifNull(valid_from <= today(), 1) AND ifNull(valid_to > today(), 1)) AS registered,
		(SELECT (uniqExact(store_id), arraySort(groupUniqArray(5)(store_id))) FROM pos.terminal_status WHERE store_id NOT IN (SELECT store_id FROM pos.stores)) AS unregistered,
		(SELECT (uniqExact(store_id), arraySort(groupUniqArray(5)(store_id))) FROM (`+scattered+`)) AS scattered
		SELECT registered.1, registered.2, registered.3, unregistered.1, unregistered.2, scattered.1, scattered.2`)
	if err != nil {
		return Strangers{}, fmt.Errorf("asking for the stores there are: %w", err)
	}
	return x, nil
}

// Ping asks whether the server answers.
func (s *Sink) Ping(ctx context.Context) error { return s.exec(ctx, "SELECT 1") }
