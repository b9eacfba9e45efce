package simulation

import (
	"fmt"
	"slices"
	"time"
)

// affair is an incident or maintenance that is over; its steps are sent one by one, in any order, or never.
type affair struct {
	id          string
	at          time.Time // an hour after it began
	maintenance bool
	left        []string
	sent        map[string]bool
}

// minutes before an affair's end at which its steps are taken.
var minutes = map[string]int{
	"opened": 60, "acknowledged": 50, "paused": 40, "resumed": 30, "resolved": 10,
	"announced": 58, "approved": 55, "started": 45, "ended": 15,
}

// step is the event of a step that nobody has sent yet.
func (t *traffic) step(store string) []byte {
	all := t.affairs[store]
	if len(all) == 0 || t.rnd.IntN(4) == 0 {
		t.affaired++
		a := &affair{
			id: fmt.Sprintf("A%d", t.affaired), at: t.now, maintenance: t.rnd.IntN(2) == 0, sent: map[string]bool{},
			left: []string{"opened", "acknowledged", "paused", "resumed", "resolved"},
		}
		if a.maintenance {
			a.left = []string{"announced", "approved", "started", "ended"}
		}
		all = append(all, a)
	}
	i := t.rnd.IntN(len(all))
	a := all[i]
	k := t.rnd.IntN(len(a.left))
	step := a.left[k]
	a.left = slices.Delete(a.left, k, k+1)
	if len(a.left) == 0 {
		all = slices.Delete(all, i, i+1)
	}
	t.affairs[store] = all
	a.sent[step] = true
	t.expect(a)

	before := func(minutes int) string { return a.at.Add(-time.Duration(minutes) * time.Minute).Format(time.RFC3339) }
	kind, more := "incident", ""
	if a.maintenance {
		kind = "maintenance"
	}
	switch step {
	case "opened":
		more = fmt.Sprintf(`,"started_at":"%s","scope":{"terminals":["%s-0"]}`, before(65), store)
	case "announced":
		more = fmt.Sprintf(`,"window":{"start":"%s","end":"%s"},"scope":{"terminals":["%s-1"]}`, before(50), before(20), store)
	}
	return fmt.Appendf(nil, `{"id":"%s/%s","source":"desk","type":"pos.%s.v1","time":"%s","store_id":"%s","%[3]s_id":"%[1]s","step":"%[2]s"%[6]s}`,
		a.id, step, kind, before(minutes[step]), store, more)
}

// expect reckons what an affair comes to with the steps that were sent.
func (t *traffic) expect(a *affair) {
	if a.maintenance {
		t.want.excluded[a.id] = 0
		if a.sent["announced"] && a.sent["approved"] && a.sent["started"] {
			t.want.excluded[a.id] = 25 * 60_000 // from 45 to 20 minutes before
		}
		return
	}
	if !a.sent["resolved"] {
		return
	}
	began, waited := 65, 0
	if !a.sent["opened"] { // then by its first step
		began = 10
		for step := range a.sent {
			began = max(began, minutes[step])
		}
	}
	switch {
	case a.sent["paused"] && a.sent["resumed"]:
		waited = 10
	case a.sent["paused"]:
		waited = 30
	}
	t.want.resolve[a.id] = uint64(began-10-waited) * 60_000
}

// purchase is an order; its steps are sent one by one, in any order, or never.
type purchase struct {
	id   string
	at   time.Time
	left []string
	sent map[string]bool
}

// shop is the event of a step of an order that nobody has sent yet. Its customer is one of those of the tills, who may buy something besides.
func (t *traffic) shop(store string) []byte {
	all := t.purchases[store]
	if len(all) == 0 || t.rnd.IntN(4) == 0 {
		t.purchased++
		all = append(all, &purchase{fmt.Sprintf("O%d", t.purchased), t.now, []string{"placed", "ready", "collected", "returned"}, map[string]bool{}})
	}
	i := t.rnd.IntN(len(all))
	o := all[i]
	k := t.rnd.IntN(len(o.left))
	step := o.left[k]
	if o.left = slices.Delete(o.left, k, k+1); len(o.left) == 0 {
		all = slices.Delete(all, i, i+1)
	}
	t.purchases[store] = all
	if o.sent[step] = true; o.sent["placed"] && o.sent["ready"] {
		t.want.lead[o.id] = 30 * 60_000
	}
	at := o.at.Add(-time.Duration(map[string]int{"placed": 60, "ready": 30, "collected": 10}[step]) * time.Minute)
	more := ""
	if step == "collected" && t.rnd.IntN(3) == 0 {
		more = fmt.Sprintf(`,"transaction_id":"%s-0/%d"`, store, 1+t.rnd.IntN(30))
	}
	return fmt.Appendf(nil, `{"id":"%s/%s","source":"shop","type":"pos.order.v1","time":"%s","store_id":"%s","order_id":"%[1]s","step":"%[2]s","customer":{"id":"c%[5]d","type":"loyalty"},"currency":"EUR","amount":100%[6]s}`,
		o.id, step, at.Format(time.RFC3339), store, t.rnd.IntN(9), more)
}

// register is the next revision of a store. Its third till never says a word.
func (t *traffic) register(store string) []byte {
	t.revision++
	quorum := 1 + t.rnd.IntN(2)
	t.want.quorum[store] = uint32(quorum)
	hours := [...]string{"06:00-22:30", "16:00-02:00", "00:00-24:00"}[t.rnd.IntN(3)]
	return fmt.Appendf(nil, `{"id":"registry/%d/%s","source":"tillstream apply","type":"pos.registry.v1","time":"%s","store_id":"%[2]s","revision":%[1]d,"store":{`+
		`"versions":[{"timezone":"Europe/Paris","sell_quorum":%[4]d,"calendar":{"week":{"mon":["%[5]s"],"tue":["%[5]s"],"sun":["%[5]s"]}}}],`+
		`"terminals":[{"id":"%[2]s-0","lives":[{}],"versions":[{}]},{"id":"%[2]s-1","lives":[{}],"versions":[{"heartbeat_timeout":1200000}]},{"id":"%[2]s-2","lives":[{}],"versions":[{}]}]}}`,
		t.revision, store, t.now.Format(time.RFC3339), quorum, hours)
}
