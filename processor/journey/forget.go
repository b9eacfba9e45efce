package journey

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tillstream/tillstream/processor/rollup"
)

// Forget gives the value that a row of state has without the customers who were forgotten, and says whether it is another one. Sales that belong to an order only
// because they were that customer's go; what was added to an order stays as it was reckoned, until something of the order comes. Rows of other kinds
// are left alone.
func Forget(row rollup.StateRow, forgotten func(pseudonym uint64) bool) (value []byte, changed bool, err error) {
	switch row.Kind {
	case KindOrder:
		o, err := unpack(row.Value)
		if err != nil {
			return nil, false, fmt.Errorf("reading order %q: %w", row.Key, err)
		}
		if !o.unname(forgotten) {
			return row.Value, false, nil
		}
		return o.append(nil), true, nil
	case KindSales:
		hour, err := hourOf(row.Key)
		if err != nil {
			return nil, false, err
		}
		sales, err := readSales(row.Value, hour)
		if err != nil {
			return nil, false, fmt.Errorf("reading sales %q: %w", row.Key, err)
		}
		if sales, changed = unname(sales, forgotten); !changed {
			return row.Value, false, nil
		}
		return appendSales(nil, hour, sales), true, nil
	}
	return row.Value, false, nil
}

// unname takes those who were forgotten off an order.
func (o *order) unname(forgotten func(uint64) bool) (changed bool) {
	if p, _ := strconv.ParseUint(o.text(customer), 10, 64); p != 0 && forgotten(p) {
		o.said[customer], changed = "", true
	}
	near, fewer := unname(o.near, forgotten)
	if fewer {
		o.near = near
	}
	return changed || fewer
}

// unname takes those who were forgotten off sales, and leaves out the sales of which nothing is left.
func unname(all []sale, forgotten func(uint64) bool) ([]sale, bool) {
	named := func(s sale) bool { return s.customer != 0 && forgotten(s.customer) }
	if !slices.ContainsFunc(all, named) {
		return all, false
	}
	left := make([]sale, 0, len(all))
	for _, s := range all {
		if named(s) {
			if s.customer = 0; s.order == 0 {
				continue
			}
		}
		left = append(left, s)
	}
	return unite(left, nil), true
}
