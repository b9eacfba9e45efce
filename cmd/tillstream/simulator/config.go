package simulator

import (
	"fmt"
	"time"
)

// Config decides every byte. Make it with Default and change what matters.
type Config struct {
	Seed       uint64
	Start, End time.Time // what arrives in [Start, End); a zero End never ends

	Stores, TillsPerStore   int
	Products, Customers     int           // of the catalogue, and with a card of the chain
	TransactionsPerStoreDay int           // mean over stores and weekdays
	HeartbeatInterval       time.Duration // of every till, announced in its reports; whole seconds

	Faults float64 // how often lines are cut and tills fail, 1 being about once in two days a till; 0: never
	Dirty  float64 // share of events that are spoiled, of which some are kept and most become dead letters

	Mistyped int // one sale in so many is mistyped, and corrected; 0: none

	Secret            []byte        // of the processor: the truth then names pseudonyms too
	BusinessDayCutoff time.Duration // of the processor: dates what tills send without a business date
}

// Default is a small chain; it lacks only Start, and an End if it is to end. Fourteen days of it are half a million events.
func Default() Config {
	return Config{
		Seed: 1, Stores: 8, TillsPerStore: 3, Products: 2000, Customers: 8000,
		TransactionsPerStoreDay: 650, HeartbeatInterval: time.Minute, Faults: 1, Dirty: 0.001, Mistyped: 250,
	}
}

// Validate names the first key that cannot be.
func (c *Config) Validate() error {
	for _, k := range []struct {
		name            string
		value, min, max int
	}{
		{"stores", c.Stores, 1, 100_000},
		{"tills_per_store", c.TillsPerStore, 1, 1000},
		{"products", c.Products, 10, 1_000_000},
		{"customers", c.Customers, 0, 10_000_000},
		{"mistyped", c.Mistyped, 0, 1_000_000},
		{"transactions_per_store_day", c.TransactionsPerStoreDay, 0, 1_000_000},
	} {
		if k.value < k.min || k.value > k.max {
			return fmt.Errorf("simulator.%s is %d; choose one between %d and %d", k.name, k.value, k.min, k.max)
		}
	}
	for _, k := range []struct {
		name       string
		value, max float64
	}{{"faults", c.Faults, 10}, {"dirty", c.Dirty, 0.5}} {
		if !(k.value >= 0 && k.value <= k.max) { // a NaN is neither
			return fmt.Errorf("simulator.%s is %v; choose one between 0 and %v", k.name, k.value, k.max)
		}
	}
	switch h := c.HeartbeatInterval; {
	case h < time.Second || h > time.Hour || h%time.Second != 0:
		return fmt.Errorf("simulator.heartbeat_interval is %v; choose whole seconds between 1s and 1h", h)
	case c.BusinessDayCutoff < 0 || c.BusinessDayCutoff >= 24*time.Hour:
		return fmt.Errorf("simulator.business_day_cutoff is %v; choose one from 0s to below 24h", c.BusinessDayCutoff)
	case c.Start.Year() < 2001 || c.Start.Year() > 2200:
		return fmt.Errorf("simulator.start is %s; choose an instant between 2001 and 2200", c.Start.Format(time.RFC3339))
	case !c.End.IsZero() && (!c.End.After(c.Start) || c.End.Year() > 2200):
		return fmt.Errorf("simulator.end is %s; choose an instant after the start, %s, or none", c.End.Format(time.RFC3339), c.Start.Format(time.RFC3339))
	}
	return nil
}
