package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// grain is how long a bucket of the rollup lasts.
type grain string

const (
	day  grain = "day"
	hour grain = "hour"
)

// bucket is what a sale belongs to: an hour in UTC, or the till's day of trade; where it names none, the date of its time.
func (g grain) bucket(d *document) string {
	if g == hour {
		return d.Time.UTC().Format("2006-01-02 15")
	}
	return cmp.Or(d.Date, d.Time.Format(time.DateOnly))
}

// totals are what a rollup must add up to. Quantity is in thousandths, amount in minor units; keys are its rows.
type totals struct {
	Lines, Quantity, Amount, Keys int64
}

func (t totals) String() string {
	return fmt.Sprintf("lines %d, quantity %d, amount %d, keys %d", t.Lines, t.Quantity, t.Amount, t.Keys)
}

// differ says what is wrong with what a peer has, "" if nothing.
func (t totals) differ(got totals) string {
	if t == got {
		return ""
	}
	s := fmt.Sprintf("expected %s; found %s", t, got)
	if got.Lines != t.Lines && t.Lines > 0 {
		s += fmt.Sprintf(": %+.2f %% of the lines", 100*float64(got.Lines-t.Lines)/float64(t.Lines))
	}
	return s
}

// document is what the oracle reads of a sale.
type document struct {
	ID     string    `json:"id"`
	Source string    `json:"source"`
	Time   time.Time `json:"time"`
	Date   string    `json:"business_date"`
	Store  string    `json:"store_id"`
	Kind   string    `json:"kind"`
	Test   bool      `json:"test"`
	Fix    any       `json:"corrects"`
	Lines  []struct {
		Product  string  `json:"product_id"`
		Kind     string  `json:"kind"`
		Voided   bool    `json:"voided"`
		Quantity float64 `json:"quantity"`
		Gross    int64   `json:"gross"`
		Discount int64   `json:"discount"`
		Net      *int64  `json:"net"`
	} `json:"lines"`
}

func parse(value []byte) (d document, err error) {
	return d, json.Unmarshal(value, &d)
}

// plain says whether tillstream and a peer that knows nothing of corrections mean the same by it.
func (d *document) plain() bool {
	if d.Kind != "sale" || d.Test || d.Fix != nil {
		return false
	}
	for _, l := range d.Lines {
		if l.Quantity < 0 {
			return false
		}
	}
	return true
}

// oracle reckons totals from the events themselves, with encoding/json: no peer shares code with it.
type oracle struct {
	events, bytes int64
	sum           totals // but Keys
	days, hours   map[row]struct{}
}

// row is a key of the rollup.
type row struct{ store, product, bucket string }

func newOracle() *oracle { return &oracle{days: map[row]struct{}{}, hours: map[row]struct{}{}} }

func (o *oracle) add(value []byte) error {
	d, err := parse(value)
	if err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	o.events++
	o.bytes += int64(len(value))
	if d.Kind != "sale" || d.Test {
		return nil
	}
	for _, l := range d.Lines {
		if l.Voided || l.Kind != "" && l.Kind != "item" {
			continue
		}
		amount := l.Gross - l.Discount
		if l.Net != nil {
			amount = *l.Net
		}
		o.sum.Lines++
		o.sum.Quantity += int64(math.Round(1000 * l.Quantity))
		o.sum.Amount += amount
		o.days[row{d.Store, l.Product, day.bucket(&d)}] = struct{}{}
		o.hours[row{d.Store, l.Product, hour.bucket(&d)}] = struct{}{}
	}
	return nil
}

func (o *oracle) totals(g grain) totals {
	t := o.sum
	t.Keys = int64(len(o.days))
	if g == hour {
		t.Keys = int64(len(o.hours))
	}
	return t
}
