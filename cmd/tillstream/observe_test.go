package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillstream/tillstream/processor"
)

type standIn struct {
	joined bool
	lanes  []processor.LaneProgress
}

func (s standIn) Joined() bool                       { return s.joined }
func (s standIn) Progress() []processor.LaneProgress { return s.lanes }

func TestObserve(t *testing.T) {
	get := func(h http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	answers := func(context.Context) error { return nil }
	running := processor.LaneProgress{State: processor.StateRunning}
	for name, x := range map[string]struct {
		m    standIn
		ping func(context.Context) error
		want string // in what /readyz says; "" where it is ready
	}{
		"at work":          {standIn{true, []processor.LaneProgress{running}}, answers, ""},
		"a spare":          {standIn{true, nil}, answers, ""},
		"recovering":       {standIn{true, []processor.LaneProgress{{State: processor.StateRecovering}}}, answers, ""},
		"not joined":       {standIn{}, answers, "not joined"},
		"a lane stopped":   {standIn{true, []processor.LaneProgress{running, {State: processor.StateStopped, Error: errors.New("tillstream adopt mends it")}}}, answers, "adopt mends it"},
		"it failed lately": {standIn{true, []processor.LaneProgress{running, {State: processor.StateRunning, Failed: inVain - 1, Error: errors.New("disk full")}}}, answers, ""},
		"a lane in vain":   {standIn{true, []processor.LaneProgress{running, {State: processor.StateRunning, Failed: inVain, Error: errors.New("disk full")}}}, answers, "disk full"},
		"ClickHouse away":  {standIn{true, nil}, func(context.Context) error { return errors.New("nothing answers at clickhouse:9000") }, "nothing answers"},
	} {
		h := observe(x.m, x.ping, prometheus.NewRegistry(), false)
		code, said := get(h, "/readyz")
		if (code == http.StatusOK) != (x.want == "") || !strings.Contains(said, x.want) {
			t.Errorf("%s: %d %s", name, code, said)
		}
		if code, _ := get(h, "/healthz"); code != http.StatusOK {
			t.Errorf("%s: /healthz is %d", name, code)
		}
		if code, _ := get(h, "/debug/pprof/heap"); code != http.StatusNotFound {
			t.Errorf("%s: profiles are offered: %d", name, code)
		}
	}
	h := observe(standIn{}, answers, prometheus.NewRegistry(), true)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if code, _ := get(h, path); code != http.StatusOK {
			t.Errorf("%s is %d", path, code)
		}
	}
}

type counted struct{ atomic.Int64 }

func (c *counted) Ping(context.Context) error { c.Add(1); return errors.New("away") }

func TestManyWhoAskAreOneQuestion(t *testing.T) {
	var n counted
	at := time.Unix(1, 0)
	ping := pinger(&n, func() time.Time { return at })
	for range 100 {
		if err := ping(t.Context()); err == nil {
			t.Fatal("it answers")
		}
	}
	at = at.Add(pingEvery)
	if _ = ping(t.Context()); n.Load() != 2 {
		t.Errorf("%d questions, want 2", n.Load())
	}
}

// Where ClickHouse is mute, that is said before who asks gives up; and again, without another question beside the first.
func TestAMuteClickHouseIsSaidInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked counted
		hold := make(chan struct{})
		ping := pinger(mute{&asked, hold}, time.Now)
		for range 3 {
			began := time.Now()
			if err := ping(t.Context()); err == nil || !strings.Contains(err.Error(), "has not answered") {
				t.Errorf("it says %v", err)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("after %v", took)
			}
			time.Sleep(pingEvery)
		}
		if asked.Load() != 1 {
			t.Errorf("%d questions", asked.Load())
		}
		close(hold)
		if err := ping(t.Context()); err == nil || err.Error() != "away" {
			t.Errorf("it says %v", err)
		}
	})
}

// mute does not mind when it is to give up, as a connection that is being made does not.
type mute struct {
	counted *counted
	hold    chan struct{}
}

func (m mute) Ping(ctx context.Context) error {
	err := m.counted.Ping(ctx)
	<-m.hold
	return err
}
