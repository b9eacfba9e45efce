-- D1 sales per store, last 7 business days against the 7 before
SELECT store_id, currency, sumIf(net, business_date >= today()-7) AS net_7d, sumIf(net, business_date < today()-7) AS net_prev, net_7d/nullIf(net_prev,0)-1 AS growth FROM pos.sales_hourly WHERE business_date >= today()-14 AND business_date < today() GROUP BY store_id, currency ORDER BY growth
-- D2 availability of every terminal this month, in service time
SELECT terminal_id, 1-sum(service_down_ms)/nullIf(sum(service_ms)-sum(excluded_ms),0) AS availability, sum(unknown_ms)/3600000 AS unknown_h FROM pos.availability_hourly WHERE hour >= toStartOfMonth(now()) GROUP BY terminal_id ORDER BY availability
-- D6 completeness: transactions that never arrived
SELECT terminal_id, business_date, missing, accepted, missing/(accepted+missing) AS hole_rate FROM pos.data_quality WHERE topic='pos.transactions' AND missing > 0 AND business_date >= today()-30 ORDER BY hole_rate DESC
-- D7 do the books balance
SELECT topic, partition, sum(records)+sum(duplicates)+sum(rejected)+sum(gaps) AS accounted, max(to_offset)-min(from_offset) AS passed, accounted = passed AS balanced FROM pos.ledger GROUP BY topic, partition, epoch
-- D8 how late do events come, per terminal
SELECT terminal_id, sum(late) AS late_events, late_events/nullIf(sum(accepted),0) AS share, max(late_p95_s)/3600 AS worst_p95_h, max(abs(clock_skew_ms))/1000 AS skew_s FROM pos.data_quality WHERE business_date >= today()-7 GROUP BY terminal_id ORDER BY worst_p95_h DESC
-- D9 payment error rate and response time per acquirer
SELECT service, sum(failed)/nullIf(sum(attempts),0) AS error_rate, sum(declined)/nullIf(sum(attempts),0) AS decline_rate, max(authorisation_ms_p95) AS worst_hour_p95 FROM pos.payments_hourly WHERE hour >= now()-INTERVAL 7 DAY GROUP BY service
-- D11 best sellers with change of rank
SELECT product_id, sumIf(units, business_date>=today()-7) AS u, rank() OVER (ORDER BY u DESC) AS r, rank() OVER (ORDER BY sumIf(units, business_date<today()-7) DESC)-r AS up FROM pos.product_sales WHERE business_date>=today()-14 GROUP BY product_id ORDER BY r LIMIT 20
-- D14 outage rate by software version
SELECT t.software_version, uniqExact(t.terminal_id) AS terminals, count(o.outage_id)/terminals AS outages_per_terminal FROM pos.terminal_status AS t LEFT JOIN pos.outages AS o ON o.terminal_id=t.terminal_id AND o.started_at >= now()-INTERVAL 30 DAY GROUP BY t.software_version ORDER BY outages_per_terminal DESC
-- D15 return rate per category
SELECT category, sum(returned_units)/nullIf(sum(units)+sum(returned_units),0) AS return_rate FROM pos.product_sales WHERE business_date >= today()-90 GROUP BY category ORDER BY return_rate DESC
-- A1 terminals that are down or silent now, in service hours, for more than 5 minutes
SELECT terminal_id, store_id, status, since FROM pos.terminal_status WHERE status IN ('down','silent') AND in_service AND since < now64(3)-INTERVAL 5 MINUTE ORDER BY since
-- A2 stores that cannot sell at all
SELECT store_id, count() AS terminals FROM pos.terminal_status WHERE in_service GROUP BY store_id HAVING countIf(status IN ('up','degraded')) = 0
-- A7 payments failing now against the same hour of the last four weeks
SELECT service, sumIf(failed,hour=toStartOfHour(now()))/nullIf(sumIf(attempts,hour=toStartOfHour(now())),0) AS now_rate, sumIf(failed,hour<toStartOfHour(now()))/nullIf(sumIf(attempts,hour<toStartOfHour(now())),0) AS base FROM pos.payments_hourly WHERE toHour(hour)=toHour(now()) AND hour >= now()-INTERVAL 28 DAY GROUP BY service HAVING now_rate > 3*base AND now_rate > 0.02
-- A8 authorisation slower than promised
SELECT store_id, service, authorisation_ms_p95 FROM pos.payments_hourly WHERE hour = toStartOfHour(now()) AND attempts >= 20 AND authorisation_ms_p95 > 2000
-- A10 sales held back on the till
SELECT terminal_id, store_id, offline_backlog, dateDiff('minute',oldest_unsent_at,now64(3)) AS oldest_min FROM pos.terminal_status WHERE offline_backlog > 0 AND oldest_min > 60 ORDER BY oldest_min DESC
-- A11 peripherals that will stop a till
SELECT terminal_id, store_id, printer, card_reader, scanner, battery_pct FROM pos.terminal_status WHERE in_service AND (printer NOT IN ('ok','none') OR card_reader NOT IN ('ok','none') OR scanner NOT IN ('ok','none') OR battery_pct < 15)
-- A12 holes in the numbering of the last days
SELECT terminal_id, business_date, missing FROM pos.data_quality WHERE topic='pos.transactions' AND business_date >= today()-3 AND missing > 0
-- A14 dead letters of the last hour
SELECT topic, reason, count() AS n FROM pos.dead_letters WHERE at >= now64(3)-INTERVAL 1 HOUR GROUP BY topic, reason ORDER BY n DESC
-- M3 new and returning customers per week, by first purchase ever
SELECT toMonday(d.business_date) AS week, uniqExactIf(d.customer, d.business_date = f.first) AS new, uniqExactIf(d.customer, d.business_date > f.first) AS returning FROM pos.customer_days AS d JOIN (SELECT customer, min(business_date) AS first FROM pos.customer_days WHERE visits > 0 GROUP BY customer) AS f USING customer WHERE d.visits > 0 AND d.business_date >= toMonday(today()-91) GROUP BY week ORDER BY week
-- M6 loyalty penetration per store and week
SELECT store_id, toMonday(business_date) AS week, sum(loyalty_transactions)/nullIf(sum(transactions),0) AS penetration FROM pos.sales_hourly WHERE channel='store' AND business_date >= today()-91 GROUP BY store_id, week ORDER BY week, penetration
-- D5 MTTA, MTTR and MTBF per party, last quarter
SELECT party, count() AS n, avg(dateDiff('second',opened_at,acknowledged_at)) AS mtta_s, avg(dateDiff('second',started_at,resolved_at)-paused_ms/1000) AS mttr_s, quantile(0.9)(dateDiff('second',started_at,resolved_at)) AS p90_s FROM pos.incidents WHERE started_at >= now()-INTERVAL 90 DAY AND resolved_at IS NOT NULL GROUP BY party
-- D12 what did the outages of last month cost
SELECT o.cause, o.party, count() AS outages, sum(i.lost_net) AS lost, i.currency AS ccy FROM pos.outages AS o JOIN pos.outage_impact AS i USING outage_id WHERE o.started_at >= toStartOfMonth(now()-INTERVAL 1 MONTH) AND o.started_at < toStartOfMonth(now()) GROUP BY o.cause, o.party, ccy ORDER BY ccy, lost DESC
-- A9 open stores that sell suspiciously little
SELECT e.store_id, e.transactions_p05 AS at_least, s.transactions AS seen FROM pos.expected_sales AS e LEFT JOIN (SELECT store_id, sum(transactions) AS transactions FROM pos.sales_hourly WHERE hour = toStartOfHour(now()-INTERVAL 1 HOUR) GROUP BY store_id) AS s USING store_id WHERE e.hour = toStartOfHour(now()-INTERVAL 1 HOUR) AND e.transactions_p05 >= 5 AND s.transactions < e.transactions_p05
-- D3 the SLA statement of last month
SELECT contract, level, objective, scope, target, actual, raw_actual, coverage, verdict, credit, credit_currency FROM pos.sla_compliance WHERE period='month' AND period_start = toStartOfMonth(now() - INTERVAL 1 MONTH) AND final ORDER BY credit DESC
-- D4 the evidence behind one verdict, by responsible party
SELECT party, decision, kind, ref, started_at, ended_at, counted_ms/1000 AS counted_s, rule, decided_by FROM pos.sla_evidence WHERE contract='acme-gold' AND objective='terminal-availability' AND period_start='2026-10-01 00:00:00' ORDER BY counted_ms DESC
-- D13 what would the previous version of the contract have said
SELECT period_start, version, target, actual, verdict, credit FROM pos.sla_compliance WHERE contract='acme-gold' AND objective='terminal-availability' ORDER BY period_start, version
-- A3 fast burn: page
SELECT contract, objective, scope, min(burn_rate) AS governing FROM pos.sla_burn WHERE window IN ('5m','1h') AND coverage >= 0.9 GROUP BY contract, objective, scope HAVING count()=2 AND governing >= 14.4
-- A4 slow burn: ticket
SELECT contract, objective, scope, min(burn_rate) AS governing FROM pos.sla_burn WHERE window IN ('6h','3d') AND coverage >= 0.9 GROUP BY contract, objective, scope HAVING count()=2 AND governing >= 1
-- A5 when will the budget be gone
SELECT contract, objective, scope, (budget_total-budget_spent) AS left, now()+toIntervalSecond(toUInt64(greatest(0,left)/nullIf(budget_spent/nullIf(dateDiff('second',period_start,now()),0),0))) AS exhausted_at FROM pos.sla_compliance WHERE NOT final AND budget_spent > 0 AND left > 0 ORDER BY exhausted_at
-- A6 objectives that are breached or at risk in the running period
SELECT contract, level, objective, scope, target, actual, verdict FROM pos.sla_compliance WHERE NOT final AND verdict IN ('breached','at_risk')
-- A13 can we still measure: freeze instead of resolving
SELECT contract, objective, scope, coverage FROM pos.sla_compliance WHERE NOT final AND coverage < 0.9
-- A15 orders that will miss their promise, or lapse uncollected
SELECT order_id, store_id, if(ready_at IS NULL,'late_ready','uncollected') AS why, if(ready_at IS NULL,promised_at,expires_at) AS due FROM pos.order_journeys WHERE collected_at IS NULL AND cancelled_at IS NULL AND ((ready_at IS NULL AND promised_at < now64(3)+INTERVAL 30 MINUTE) OR (ready_at IS NOT NULL AND expires_at < now64(3)+INTERVAL 12 HOUR))
-- M11 reserve online, collect in store
SELECT store_id, sum(ready_in_time)/nullIf(sum(ready),0) AS kept_promise, sum(collected)/nullIf(sum(ready),0) AS pickup_rate, sum(added_on)/nullIf(sum(collected),0) AS attach_rate, max(lead_ms_p50)/60000 AS lead_min FROM pos.omnichannel_funnel WHERE business_date >= today()-28 GROUP BY store_id ORDER BY pickup_rate
-- D10 peak-hour heat map of a store
SELECT dow, local_hour, transactions_avg, net_avg, currency FROM pos.peak_hours WHERE store_id='0042' ORDER BY dow, local_hour, currency
-- M1 size and worth of every RFM segment
SELECT segment, count() AS customers, sum(monetary) AS value, currency FROM pos.rfm GROUP BY segment, currency HAVING customers >= 10 ORDER BY value DESC
-- M2 monthly cohort retention
SELECT cohort, groupArray((period, round(retention,3))) AS curve, currency FROM (SELECT * FROM pos.cohorts WHERE customers >= 10 AND complete ORDER BY cohort, period) GROUP BY cohort, currency ORDER BY cohort, currency
-- M4 members who are slipping away
SELECT customer, segment, last_at, median_interval_days, dateDiff('day',last_at,now())/median_interval_days AS overdue FROM pos.buyer_profiles WHERE median_interval_days > 0 AND overdue BETWEEN 2 AND 6 ORDER BY net_365d DESC LIMIT 10000
-- M5 input of a BG/NBD and gamma-gamma model
SELECT customer, x, t_x, T, m FROM pos.clv_inputs WHERE currency='EUR'
-- M7 what goes with coffee
SELECT right, baskets, confidence, lift FROM pos.affinity WHERE left='coffee' AND baskets >= 30 AND lift > 1 ORDER BY lift DESC LIMIT 20
-- M8 did the promotion work, and at what cost
SELECT promotion_id, sum(promoted_units) AS units, sum(baseline_units) AS baseline, units/nullIf(baseline,0)-1 AS uplift, sum(cannibalised_units) AS cannibalised, sum(discount) AS cost, currency FROM pos.promotion_uplift GROUP BY promotion_id, currency ORDER BY uplift DESC, currency
-- M9 best sellers of the champions
SELECT product_id, sum(units) AS u FROM pos.segment_products WHERE segment='champions' AND business_date >= today()-30 GROUP BY product_id HAVING max(customers) >= 10 ORDER BY u DESC LIMIT 20
-- M10 when do members come
SELECT usual_dow, usual_hour, uniqExact(customer) AS members FROM pos.buyer_profiles WHERE segment='champions' GROUP BY usual_dow, usual_hour HAVING members >= 10 ORDER BY members DESC
-- M12 contactless and mobile wallets, month by month
SELECT toStartOfMonth(business_date) AS month, sumIf(payments,entry_mode='contactless')/sum(payments) AS contactless, sumIf(payments,wallet!='')/sum(payments) AS wallet FROM pos.payment_mix GROUP BY month ORDER BY month
-- M13 how long between two purchases
SELECT quantilesExactWeighted(0.25,0.5,0.75,0.9)(gap_days, times) AS days FROM pos.purchase_gaps
-- M14 what is an omnichannel customer worth
SELECT if(length(channels)>1,'omnichannel',channels[1]) AS kind, count() AS customers, avg(net_365d) AS net_per_customer FROM pos.buyer_profiles WHERE currency='EUR' GROUP BY kind HAVING customers >= 10
-- M15 audience for an apology after an outage: members who usually shop there at that hour
SELECT uniqExact(customer) AS members FROM pos.buyer_profiles WHERE usual_store='0042' AND usual_dow=6 AND usual_hour BETWEEN 10 AND 13 HAVING members >= 10
