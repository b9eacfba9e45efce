// Package incident folds the steps of incidents (pos.incident.v1) and of maintenance (pos.maintenance.v1) into incidents, incident_steps and
// maintenance.
//
// A row is a function of the set of steps that came, so neither their order nor repetition matters. Steps are ordered by their time, then
// by sequence, source and id; "the latest step that says it" is meant in that order. Of a set the first and the last 512 steps are kept.
//
// # Incidents
//
//   - opened, acknowledged: the earliest. One that nobody opened yet counts as opened by its first step.
//   - started: the believed start, as the latest step says that says one; else detected; else opened.
//   - detected: the earliest detected_at; else the earliest step that says by whom it was detected; else nobody knows.
//   - resolved and closed end it, reopened opens it again: the first of either in turn counts, others in between change nothing. The time
//     between an end and a reopening belongs to the incident if it is at most 24 h, and is nobody's if it is longer.
//   - paused and resumed count in turn, too, while it is not resolved; its end ends a pause. paused_ms are those within [started, resolved).
//   - resolve_ms is [started, resolved), less the pauses and less the longer times before a reopening.
//   - cancelled: it was none. It counts in no mean, unless it is reopened.
//   - severity, cause, supplier, ticket, scope: of the latest step that says one. A scope without terminals is the whole store.
//   - disordered: started ≤ detected ≤ opened ≤ acknowledged ≤ resolved does not hold. It is shown, not repaired.
//
// The party is that of the latest step that says one (rule incident:STEP); else that of the cause, if it is an ErrorCondition of nexo which
// tells (rule cause:CONDITION); else undetermined (no rule). Who decided, when and why is of the same step. A correction is just a later step.
//
// # Maintenance
//
// Excluded is what was announced and approved and really used, the intersection of
//
//   - announced: the windows of the latest announcement that has some. Notice is not judged here: agreements differ. It is shown.
//   - approved: the windows that the latest approval says; else those that were announced when it was given, or first after it. So
//     what was announced otherwise afterwards wants another approval.
//   - actual: from started to ended, in turn. One that has not ended lasts; without started there is none. Where the window recurs, one that
//     was never ended ends with the window it began in, or before.
//
// less the time from a cancellation until it is announced again. A window that recurs is an RRULE of RFC 5545, daily or slower, in its
// time zone; it begins at `start`, else on the day of the first step, at midnight there. Of one rule 10,000 windows are looked at.
package incident
