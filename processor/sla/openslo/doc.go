// Package openslo is the part of OpenSLO v1 (https://github.com/OpenSLO/OpenSLO) that agreements can honour, read and written: Service, SLI, SLO and
// AlertPolicy. What the standard has and we cannot honour is refused with a sentence (Refuses), never ignored. An SLI is one of ours: its
// metricSource has type tillstream, and its spec says which indicator. Values of indicators that are durations are numbers of milliseconds.
//
// What an objective means, there and here:
//
//	ratioMetric.raw success, RatioTimeslices    uptime, store_quorum        the share of time, exact
//	ratioMetric.raw success, Timeslices         uptime, store_quorum        the share of slices in which it was up all along
//	ratioMetric.raw failure, Occurrences        payment_failures            the rate, at most 1 - target
//	ratioMetric.raw failure, Timeslices         payment_failures            the share of slices whose rate is at most 1 - timeSliceTarget
//	thresholdMetric, Occurrences                response_ms, …              the share of values below
//	thresholdMetric with statistic              response_ms, time_to_…, …   one figure a period: any target above 0 says that it must be kept
package openslo
