package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/alert"
)

// Alerts sends transitions of alerts to a topic, as pos.alert.v1. It implements alert.Receiver.
type Alerts struct {
	topic  string
	sender *sender
}

var _ alert.Receiver = (*Alerts)(nil)

// NewAlerts makes Alerts; nothing happens before Send.
func NewAlerts(client *kafka.Client, topic string, creation Creation, log *zap.Logger) *Alerts {
	s := newSender(client, log)
	s.create = func(ctx context.Context) error {
		_, err := EnsureTopics(ctx, s.client, []string{topic}, creation)
		return err
	}
	return &Alerts{topic: topic, sender: s}
}

// Name implements alert.Receiver. Another topic is another receiver.
func (a *Alerts) Name() string { return "kafka:" + a.topic }

// Send stores transitions under the id of their alert, acknowledged by all replicas in sync, those of one alert in their order. It tries again
// until ctx ends, so one may be stored twice: readers drop repeats by (alert_id, sequence). The topic is created whenever it is missing.
func (a *Alerts) Send(ctx context.Context, transitions []alert.Transition) error {
	messages := make([]message, len(transitions))
	for i := range transitions {
		value, err := json.Marshal(alertEvent(&transitions[i]))
		if err != nil {
			return fmt.Errorf("writing alert %s: %w", transitions[i].ID, err)
		}
		messages[i] = message{topic: a.topic, key: []byte(transitions[i].ID), value: value, time: time.UnixMilli(transitions[i].At)}
	}
	return a.sender.send(ctx, messages)
}

// alertV1 is pos.alert.v1.
type alertV1 struct {
	AlertID    string  `json:"alert_id"`
	Sequence   uint32  `json:"sequence"`
	Time       string  `json:"time"`
	Transition string  `json:"transition"`
	State      string  `json:"state"`
	Rule       string  `json:"rule"`
	Severity   string  `json:"severity"`
	Scope      string  `json:"scope"`
	StoreID    string  `json:"store_id,omitempty"`
	TerminalID string  `json:"terminal_id,omitempty"`
	Contract   string  `json:"contract,omitempty"`
	Objective  string  `json:"objective,omitempty"`
	Target     string  `json:"target,omitempty"`
	StartedAt  string  `json:"started_at"`
	EndedAt    string  `json:"ended_at,omitempty"`
	Value      float64 `json:"value"`
	Threshold  float64 `json:"threshold"`
	Summary    string  `json:"summary"`
	Reason     string  `json:"reason,omitempty"`
}

func alertEvent(t *alert.Transition) alertV1 {
	e := alertV1{
		AlertID: t.ID, Sequence: t.Sequence, Time: instant(t.At), Transition: string(t.Kind), State: string(t.Status), Rule: string(t.Rule),
		Severity: string(t.Severity), Scope: t.Scope, StoreID: t.Store, TerminalID: t.Terminal, Contract: t.Contract, Objective: t.Objective, Target: t.Target,
		StartedAt: instant(t.Started), Value: t.Value, Threshold: t.Threshold, Summary: t.Summary, Reason: t.Reason,
	}
	if t.Ended != 0 {
		e.EndedAt = instant(t.Ended)
	}
	return e
}

func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
