package openslo

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// APIVersion is that of every object.
const APIVersion = "openslo/v1"

// Kinds of objects.
const (
	KindService     = "Service"
	KindSLI         = "SLI"
	KindSLO         = "SLO"
	KindAlertPolicy = "AlertPolicy"
)

// sourceType is the metricSource.type of our indicators.
const sourceType = "tillstream"

// Service is what SLOs are of.
type Service struct {
	Description string `json:"description,omitzero"`
}

// SLI says what is measured.
type SLI struct {
	Description     string `json:"description,omitzero"`
	ThresholdMetric Metric `json:"thresholdMetric,omitzero"`
	RatioMetric     Ratio  `json:"ratioMetric,omitzero"`
}

// Metric is where values come from.
type Metric struct {
	MetricSource Source `json:"metricSource,omitzero"`
}

// Ratio is a metric that is a share.
type Ratio struct {
	Counter *bool  `json:"counter,omitzero"` // ignored by the standard where there is raw
	RawType string `json:"rawType,omitzero"` // success or failure
	Raw     Metric `json:"raw,omitzero"`
}

func (m *Metric) said() bool { return m.MetricSource.Type != "" || m.MetricSource.Spec.Indicator != "" }

func (r *Ratio) said() bool { return r.Raw.said() || r.RawType != "" }

// Refuses are keys of the standard that cannot be honoured.
func (Ratio) Refuses() map[string]string {
	const why = "tillstream counts by its own rules (exclusions, service time, coverage) and has the ratio, not its parts: write raw, with rawType"
	return map[string]string{"good": why, "bad": why, "total": why}
}

// Source names an indicator of tillstream.
type Source struct {
	Type SourceType `json:"type,omitzero"`
	Spec Reading    `json:"spec,omitzero"`
}

// Refuses are keys of the standard that cannot be honoured.
func (Source) Refuses() map[string]string {
	return map[string]string{"metricSourceRef": "tillstream measures itself and reads no other source of data; leave it out, and write type: tillstream"}
}

// SourceType is tillstream.
type SourceType string

// UnmarshalText reads it.
func (t *SourceType) UnmarshalText(b []byte) error {
	if string(b) != sourceType {
		return fmt.Errorf("it must be %s: it measures itself and reads no other source of data such as %s", sourceType, b)
	}
	*t = SourceType(b)
	return nil
}

// Reading is the spec of a metricSource of type tillstream: fields of agreement.Objective.
type Reading struct {
	Indicator  string             `json:"indicator,omitzero" takes:"indicator"`
	Statistic  string             `json:"statistic,omitzero" takes:"statistic"`
	MinEvents  *int               `json:"min_events,omitzero"`
	MinOutage  agreement.Duration `json:"min_outage,omitzero"`
	Degraded   string             `json:"degraded,omitzero" takes:"degraded"`
	Capability string             `json:"capability,omitzero" takes:"capability"`
	Severities []string           `json:"severities,omitzero"`
	Clock      string             `json:"clock,omitzero" takes:"clock_of"`
}

// SLO is an objective.
type SLO struct {
	Description     string      `json:"description,omitzero"`
	Service         string      `json:"service"`
	Indicator       Inline      `json:"indicator,omitzero"`
	IndicatorRef    string      `json:"indicatorRef,omitzero"`
	TimeWindow      []Window    `json:"timeWindow,omitzero"`
	BudgetingMethod string      `json:"budgetingMethod"`
	Objectives      []Objective `json:"objectives"`
	AlertPolicies   []PolicyRef `json:"alertPolicies,omitzero"`
}

// Inline is an SLI within an SLO.
type Inline struct {
	Metadata InlineMetadata `json:"metadata,omitzero"`
	Spec     SLI            `json:"spec,omitzero"`
}

// InlineMetadata names what is inline.
type InlineMetadata struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitzero"`
}

// Window is the period of judgement.
type Window struct {
	Duration  agreement.Duration `json:"duration,omitzero"`
	IsRolling *bool              `json:"isRolling,omitzero"`
	Calendar  Calendar           `json:"calendar,omitzero"`
}

// Calendar is where periods begin.
type Calendar struct {
	StartTime string `json:"startTime,omitzero"` // 2026-01-01 00:00:00, local
	TimeZone  string `json:"timeZone,omitzero"`
}

// Objective is what is promised.
type Objective struct {
	DisplayName     string `json:"displayName,omitzero"`
	Op              string `json:"op,omitzero" takes:"op"`
	Value           Number `json:"value,omitzero"`
	Target          Number `json:"target,omitzero"`
	TargetPercent   Number `json:"targetPercent,omitzero"`
	TimeSliceTarget Number `json:"timeSliceTarget,omitzero"`
	TimeSliceWindow Slice  `json:"timeSliceWindow,omitzero"`
}

// Refuses are keys of the standard that cannot be honoured.
func (Objective) Refuses() map[string]string {
	const why = "composite SLOs are not read; write an objective of the Agreement, as {name: …, indicator: composite, of: {…}, method: …}"
	return map[string]string{"indicator": why, "indicatorRef": why, "compositeWeight": why}
}

// PolicyRef names an AlertPolicy.
type PolicyRef struct {
	AlertPolicyRef string `json:"alertPolicyRef"`
}

// Refuses are keys of the standard that cannot be honoured.
func (PolicyRef) Refuses() map[string]string {
	const why = "an AlertPolicy inside of an SLO is not read; write it as a document of its own, and refer to it by alertPolicyRef"
	return map[string]string{"kind": why, "metadata": why, "spec": why}
}

// AlertPolicy says when to alert.
type AlertPolicy struct {
	Description         string      `json:"description,omitzero"`
	AlertWhenNoData     *bool       `json:"alertWhenNoData,omitzero"`
	AlertWhenResolved   *bool       `json:"alertWhenResolved,omitzero"`
	AlertWhenBreaching  *bool       `json:"alertWhenBreaching,omitzero"`
	Conditions          []Condition `json:"conditions"`
	NotificationTargets []Target    `json:"notificationTargets"`
}

// Condition is an AlertCondition within an AlertPolicy.
type Condition struct {
	Kind     string         `json:"kind"`
	Metadata InlineMetadata `json:"metadata,omitzero"`
	Spec     ConditionSpec  `json:"spec,omitzero"`
}

// Refuses are keys of the standard that cannot be honoured.
func (Condition) Refuses() map[string]string {
	return map[string]string{"conditionRef": "the kind AlertCondition is not read; write the condition here, as {kind: AlertCondition, metadata: …, spec: …}"}
}

// ConditionSpec is when an alert fires.
type ConditionSpec struct {
	Description string `json:"description,omitzero"`
	Severity    string `json:"severity"`
	Condition   Burn   `json:"condition,omitzero"`
}

// Burn compares a burn rate.
type Burn struct {
	Kind           string `json:"kind,omitzero"`
	Op             string `json:"op,omitzero" takes:"op"`
	Threshold      Number `json:"threshold,omitzero"`
	LookbackWindow Slice  `json:"lookbackWindow,omitzero"`
	AlertAfter     Slice  `json:"alertAfter,omitzero"`
}

// Target names whom to tell; it is a label of the alert, by which it is routed.
type Target struct {
	TargetRef string `json:"targetRef"`
}

// Refuses are keys of the standard that cannot be honoured.
func (Target) Refuses() map[string]string {
	const why = "the kind AlertNotificationTarget is not read; alerts are routed by name, as {targetRef: NAME}"
	return map[string]string{"kind": why, "metadata": why, "spec": why}
}

// Number is an exact decimal; in OpenSLO it is a number, not a text.
type Number struct{ agreement.Decimal }

// MarshalJSON writes it.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalJSON reads it.
func (n *Number) UnmarshalJSON(b []byte) error {
	var number json.Number
	if err := json.Unmarshal(b, &number); err != nil {
		return fmt.Errorf("reading a number: %w", err)
	}
	return n.UnmarshalText([]byte(number))
}

// Slice is a duration; a bare number is of minutes.
type Slice struct{ agreement.Duration }

// UnmarshalText reads it.
func (s *Slice) UnmarshalText(b []byte) error {
	if _, err := strconv.Atoi(string(b)); err == nil {
		return s.Duration.UnmarshalText(append(b[:len(b):len(b)], 'm'))
	}
	return s.Duration.UnmarshalText(b)
}
