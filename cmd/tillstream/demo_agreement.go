package main

import (
	"fmt"
	"time"
)

// demoAgreement is what a newcomer finds promised of the simulated chain: measured from the first whole day of its history, by the week, so that after two weeks
// there are periods that are over, with statements, and one that runs.
func demoAgreement(begins time.Time) []byte {
	return fmt.Appendf(nil, `apiVersion: tillstream/v1
kind: Customer
metadata: {name: the-chain, display_name: The simulated chain}
---
apiVersion: tillstream/v1
kind: Agreement
metadata: {name: tills, displayName: Tills of the simulated chain}
spec:
  type: sla
  level: customer
  parties: {provider: tills-sa, customer: the-chain}
  versions:
  - version: 1
    from: %q
    timezone: UTC
    period: week
    measurement:
      late_data: {accept: 12h, close_after: 1d}
    exclusions:
    - {kind: planned_maintenance, effect: remove}
    - {party: customer, effect: remove}
    objectives:
    - {name: till-up, indicator: uptime, per: terminal, target: 0.995}
    - {name: store-can-sell, indicator: store_quorum, per: store, target: 0.999}
    - {name: repair, indicator: time_to_repair, statistic: mean, op: lte, value: 45m, per: customer}
    remedies:
      base: {amount: 20000, currency: EUR, per: week}
      at_risk: 0.3
      credits:
      - {objective: till-up, per: scope_fee, tiers: [{below: 0.995, credit: 0.1}, {below: 0.98, credit: 0.25}]}
      - {objective: store-can-sell, fixed: 500, each: outage, cap: 4}
`, begins.UTC().AddDate(0, 0, 1).Format(time.DateOnly))
}
