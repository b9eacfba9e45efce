package doctor

import (
	"fmt"
	"strings"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

// Space on disk from which it is told.
const (
	leastFree  = 1 << 30 // bytes: parts cannot be merged any more
	leastShare = 10      // percent
)

func (r *report) clickHouse(f *Facts) {
	r.area = "clickhouse"
	c := &f.ClickHouse
	for _, p := range c.Proofs {
		if p.What == clickhouse.ProofMigrations && p.Err != nil && f.Config.ClickHouse.Migrate && strings.HasPrefix(p.Found, "0 ") {
			r.add(p.What, Warn, "tillstream migrate, or the first start, makes them", "there are no tables, or user %s may not see them", c.User)
			continue
		}
		r.err(p.What, p.Err, p.Found)
	}
	if !c.Proved(clickhouse.ProofVersion) {
		r.add("rights", Skip, "", "ClickHouse could not be asked")
		r.add("disk", Skip, "", "ClickHouse could not be asked")
		return
	}
	role := "writer"
	if f.Config.ClickHouse.Cluster != "" {
		role = "writer, clustered"
	}
	switch {
	case c.RightsErr != nil:
		r.err("rights", c.RightsErr, "")
	case len(c.Lacking) > 0:
		r.add("rights", Fail, "run deploy/clickhouse/roles.sql of this version, then GRANT "+role+" TO "+c.User, "user %s lacks %s of role %s: %s", c.User, plural(len(c.Lacking), "right"), role, some(c.Lacking))
	default:
		r.ok("rights", "user %s may do what role %s may", c.User, role)
	}
	share := 100 * float64(c.Free) / max(float64(c.Total), 1)
	switch {
	case c.SpaceErr != nil:
		r.add("disk", Warn, "", "%v", c.SpaceErr)
	case c.Free < leastFree || share < leastShare:
		r.add("disk", worst(c.Free < leastFree), "make room, or set retention.customers, retention.sales and retention.orders", "%s free, %.0f %% of the default disk", bytes(c.Free), share)
	default:
		r.ok("disk", "%s free, %.0f %% of the default disk", bytes(c.Free), share)
	}
}

// some names the first few.
func some(all []string) string {
	const few = 3
	if len(all) <= few {
		return strings.Join(all, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(all[:few], "; "), len(all)-few)
}

func bytes(n uint64) string {
	const gib = 1 << 30
	if n < gib {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/gib)
}
