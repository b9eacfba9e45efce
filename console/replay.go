package console

import (
	"net/http"

	"go.uber.org/zap"
)

// Replay chooses dead letters.
type Replay struct {
	Topic, Reason string
	By            string // who does it
	DryRun        bool   // say what would be sent, and send nothing
}

// Replayed is what came of it.
type Replayed struct {
	Sent  int
	Lines []string // for people
}

// canReplay says whether the visitor may send dead letters again. It takes a name: what was sent is written down with it.
func (p *page) canReplay() bool {
	return p.console.deps.Replay != nil && p.visitor.roles.has(Operator) && p.visitor.name != ""
}

const maxForm = 10 << 10 // bytes

// replay tries, or does, what an operator asks for.
func (c *console) replay(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r.Context())
	if p := (&page{console: c, visitor: v}); !p.canReplay() {
		c.tell(w, r, http.StatusForbidden, "operator")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "a form with topic and reason is expected", http.StatusBadRequest)
		return
	}
	what := Replay{Topic: r.PostForm.Get("topic"), Reason: r.PostForm.Get("reason"), By: v.name, DryRun: r.PostForm.Get("do") != "send"}
	if what.Topic == "" || what.Reason == "" {
		http.Error(w, "a form with topic and reason is expected", http.StatusBadRequest)
		return
	}
	if !c.replaying.TryLock() {
		c.tell(w, r, http.StatusConflict, "busy")
		return
	}
	defer c.replaying.Unlock()
	done, err := c.deps.Replay(r.Context(), what)
	audit := []zap.Field{zap.String("by", what.By), zap.String("topic", what.Topic), zap.String("reason", what.Reason), zap.Bool("dry_run", what.DryRun), zap.Int("sent", done.Sent)}
	if err != nil {
		c.deps.Log.Warn("an operator's replay of dead letters failed", append(audit, zap.Error(err))...)
		c.notify(w, r, http.StatusBadGateway, &notice{Key: "failed", Lines: done.Lines})
		return
	}
	n := &notice{Key: "sent", Lines: done.Lines}
	if what.DryRun {
		n.Key = "tried"
		if done.Sent > 0 {
			said := parse(r, "", c.deps.Now())
			n.Form = &form{Action: r.URL.RequestURI(), Text: said.T("replay.send"), Fields: map[string]string{"topic": what.Topic, "reason": what.Reason, "do": "send"}}
		}
	}
	c.deps.Log.Info("an operator replayed dead letters", audit...)
	c.notify(w, r, http.StatusOK, n)
}

// replayForm is the button beside a group of dead letters.
func (p *page) replayForm(topic, reason any) *form {
	if !p.canReplay() {
		return nil
	}
	return &form{Action: p.here(replayPath), Text: p.T("replay.try"), Fields: map[string]string{"topic": orNothing(topic), "reason": orNothing(reason)}}
}
