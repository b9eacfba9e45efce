// Package alertmanager tells Alertmanager, or what speaks its API v2, of alerts.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/sinks/certs"
)

// Config says where Alertmanager is and how to log in. Of URLs all are told: the members of a cluster share silences and what they have notified, so
// that only one of them notifies, but not alerts.
type Config struct {
	URLs    []string // http(s)://host:9093, with a path prefix if it has one
	Login   certs.Login
	Renewed renewed.Report // of the login's files; may be nil
	Source  string         // generatorURL of alerts, where one looks further; may be empty
	Lasts   time.Duration  // how long an open alert holds without being told again
	Log     *zap.Logger    // of members that could not be told, and alerts that were not taken, where all in all it went well
}

// Client posts alerts. It implements alert.Refresher.
type Client struct {
	cfg  Config
	http *http.Client
	now  func() time.Time
}

var _ alert.Refresher = (*Client)(nil)

const (
	batch       = 500 // alerts in a request
	requestTime = 10 * time.Second
	minPause    = 200 * time.Millisecond
	alertsPath  = "/api/v2/alerts"
	tries       = 3 // of one request; then whoever called tries again later
)

// New makes a Client. It reads the files that the config names and connects to nobody.
func New(cfg Config, now func() time.Time) (*Client, error) {
	cfg.URLs = slices.Clone(cfg.URLs)
	for i, u := range cfg.URLs {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, fmt.Errorf("alerts.alertmanager.urls: %q is not http(s)://host:port", u)
		}
		cfg.URLs[i] = strings.TrimRight(u, "/") + alertsPath
	}
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 1}
	transport, err := certs.NewTransport("alerts.alertmanager", base, cfg.Login, cfg.URLs, cfg.Renewed)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, http: &http.Client{Transport: transport, Timeout: requestTime}, now: now}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Name implements alert.Receiver.
func (c *Client) Name() string { return "alertmanager" }

// Send implements alert.Receiver. Alertmanager knows no transitions, only what is and until when, so of several of one alert the last is sent.
func (c *Client) Send(ctx context.Context, transitions []alert.Transition) error {
	last := map[string]int{}
	for i, t := range transitions {
		last[t.ID] = i
	}
	var all []alert.Alert
	for i, t := range transitions {
		if last[t.ID] == i {
			all = append(all, t.Alert)
		}
	}
	return c.post(ctx, all)
}

// Refresh implements alert.Refresher.
func (c *Client) Refresh(ctx context.Context, open []alert.Alert) error { return c.post(ctx, open) }

// Alert is postableAlert of the API.
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// convert: the labels name the alert and never change; what does change are annotations. A resolved alert ends in the past, an open one, frozen or not,
// some time after now, so that it ends by itself if nobody tells of it any more.
func (c *Client) convert(a *alert.Alert) Alert {
	out := Alert{
		Labels: map[string]string{"alertname": string(a.Rule), "alert_id": a.ID, "severity": string(a.Severity), "scope": a.Scope},
		Annotations: map[string]string{
			"summary": a.Summary, "state": string(a.Status), "value": fmt.Sprint(a.Value), "threshold": fmt.Sprint(a.Threshold),
		},
		StartsAt: instant(time.UnixMilli(a.Started)), EndsAt: instant(c.now().Add(c.cfg.Lasts)), GeneratorURL: c.cfg.Source,
	}
	for name, value := range map[string]string{"store_id": a.Store, "terminal_id": a.Terminal, "contract": a.Contract, "objective": a.Objective, "target": a.Target} {
		if value != "" { // an empty label is none to Alertmanager
			out.Labels[name] = value
		}
	}
	if a.Reason != "" {
		out.Annotations["reason"] = a.Reason
	}
	if !a.Open() {
		out.EndsAt = instant(time.UnixMilli(max(a.Ended, a.Started+1))) // it must not be before startsAt
	}
	return out
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// post tells all members. It is well if one of them took all: the others are told when all is told again, or it ends there by itself.
func (c *Client) post(ctx context.Context, all []alert.Alert) error {
	var failed []error
	for _, u := range c.cfg.URLs {
		err := c.member(ctx, u, all)
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == len(c.cfg.URLs) {
		return errors.Join(failed...)
	}
	for _, err := range failed {
		c.cfg.Log.Warn("a member of the Alertmanager cluster could not be told of alerts; others were", zap.Error(err))
	}
	return nil
}

// member tells one. What it refuses while it takes others is logged and left out, so as not to hold the others up.
func (c *Client) member(ctx context.Context, to string, all []alert.Alert) error {
	var refused []error
	taken := 0
	for some := range slices.Chunk(all, batch) {
		n, no, err := c.tell(ctx, to, some)
		if err != nil {
			return err
		}
		taken, refused = taken+n, append(refused, no...)
	}
	if len(refused) > 0 && taken == 0 {
		return errors.Join(refused...)
	}
	for _, err := range refused {
		c.cfg.Log.Error("Alertmanager does not take an alert; it is told of the others", zap.Error(err))
	}
	return nil
}

// tell sends alerts at once, or, where that is refused, in halves: how many were taken, and why others were not.
func (c *Client) tell(ctx context.Context, to string, all []alert.Alert) (taken int, refused []error, err error) {
	alerts := make([]Alert, len(all))
	for i := range alerts {
		alerts[i] = c.convert(&all[i])
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return 0, nil, fmt.Errorf("writing alerts: %w", err)
	}
	err = c.try(ctx, to, body)
	if no := (*refusal)(nil); !errors.As(err, &no) {
		return len(all), nil, err
	}
	if len(all) == 1 {
		return 0, []error{fmt.Errorf("alert %s of %s: %w", all[0].ID, all[0].Scope, err)}, nil
	}
	for _, half := range [][]alert.Alert{all[:len(all)/2], all[len(all)/2:]} {
		n, no, err := c.tell(ctx, to, half)
		if err != nil {
			return 0, nil, err
		}
		taken, refused = taken+n, append(refused, no...)
	}
	return taken, refused, nil
}

// refusal is an answer that is about what was sent, not about who asks or when.
type refusal struct{ error }

// try repeats what may be better the next time.
func (c *Client) try(ctx context.Context, to string, body []byte) error {
	pause := minPause
	for i := 1; ; i++ {
		err, again := c.ask(ctx, http.MethodPost, to, body)
		if err == nil || !again || i == tries {
			return err
		}
		if wait.For(ctx, pause) != nil {
			return fmt.Errorf("%w (the last try said: %w)", context.Cause(ctx), err)
		}
		pause *= 2
	}
}

// Check asks each member whether it would take alerts from us, and tells it of none: by URL, nil if it would.
func (c *Client) Check(ctx context.Context) map[string]error {
	all := map[string]error{}
	for _, u := range c.cfg.URLs {
		base := strings.TrimSuffix(u, alertsPath)
		all[base], _ = c.ask(ctx, http.MethodGet, base+"/api/v2/status", nil)
	}
	return all
}

func (c *Client) ask(ctx context.Context, method, to string, body []byte) (err error, again bool) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking Alertmanager: %w", err), false
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("telling Alertmanager: %w; check alerts.alertmanager.urls", err), true
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil, false
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("the Alertmanager at %s does not let us in (%s): check username and password, or token, of alerts.alertmanager", to, res.Status), false
	case code == http.StatusNotFound:
		return fmt.Errorf("there is no Alertmanager API v2 at %s: check the path in alerts.alertmanager.urls", to), false
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return &refusal{fmt.Errorf("the Alertmanager at %s said %s: %s", to, res.Status, bytes.TrimSpace(said))}, false
	default:
		return fmt.Errorf("the Alertmanager at %s said %s: %s", to, res.Status, bytes.TrimSpace(said)), code >= 500 || code == http.StatusTooManyRequests
	}
}
