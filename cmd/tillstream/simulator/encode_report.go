package simulator

var models = [...]string{"TillOne 3", "TillOne 4", "Kassa X2", "SelfGo 1"}

// appendReport writes pos.health.v1.
func appendReport(b []byte, p *report) []byte {
	t, s := p.till, p.till.store
	b = appendEnvelope(b, &p.header)
	b = appendText(b, `,"kind":`, p.kind)
	b = appendText(b, `,"status":`, p.status)
	if p.status == "up" || p.status == "degraded" {
		b = appendInt(b, `,"response_ms":`, p.response)
	}
	b = appendInt(b, `,"heartbeat_interval_s":`, s.interval/second)
	b = append(b, `,"boot_id":"`...)
	b = append(appendLetters(b, t.bootNumber, 8), '"')
	b = appendInt(b, `,"uptime_s":`, (p.time-t.clock(t.bootedAt))/second)
	if p.full {
		b = appendInt(b, `,"software_version":"7.`, int64(t.version))
		b = appendInt(b, `.0","firmware_version":"2.`, int64(t.version/2))
		b = append(b, `","config_version":"`...)
		b = append(b, s.place.country...)
		b = appendText(b, `-12","model":`, models[t.index%len(models)])
		b = append(b, `,"serial":"`...)
		b = append(appendLetters(b, mix(uint64(t.number)), 9), '"')
	}
	b = appendComponents(b, p)
	if p.full && !t.sparse {
		b = appendInt(b, `,"hosts":[{"service":"backend","reachable":true,"latency_ms":`, p.latency)
		b = append(b, `}],"network":{"kind":"`...)
		if t.index%3 == 2 {
			b = appendInt(b, `wifi","signal_dbm":`, -40-int64(p.load>>48%40))
			b = appendInt(b, `,"latency_ms":`, p.latency)
		} else {
			b = appendInt(b, `ethernet","latency_ms":`, p.latency)
		}
		b = appendInt(b, `},"resources":{"cpu_pct":`, int64(p.load>>50%60))
		b = appendInt(b, `,"memory_pct":`, 30+int64(p.load>>54%50))
		b = appendInt(b, `,"disk_free_mb":`, 4000+int64(p.load>>52%4000))
		b = appendInt(b, `,"temperature_c":`, 30+int64(p.load>>58%30))
		b = append(b, '}')
	}
	if p.offline && t.backlog.count > 0 {
		b = appendInt(b, `,"backlog":{"transactions":`, t.backlog.count)
		b = appendInt(b, `,"amount":`, t.backlog.amount)
		b = appendText(b, `,"currency":`, s.place.currency)
		b = appendTimeField(b, `,"oldest_at":`, t.backlog.oldest, p.offset)
		b = append(b, '}')
	}
	if p.status == "down" {
		b = append(b, `,"capability":{"sell":false,"card":false,"cash":false}`...)
		b = appendText(b, `,"errors":[{"code":`, breakages[p.episode.part].code)
		b = append(b, `,"count":1}]`...)
	}
	return append(b, '}')
}

// appendComponents tells what is broken; a full report tells what is not, too.
func appendComponents(b []byte, p *report) []byte {
	broken, state, detail := "", "", ""
	switch p.status {
	case "down":
		broken, state, detail = breakages[p.episode.part].component, "error", breakages[p.episode.part].detail
	case "degraded":
		w := p.episode.wears()
		broken, state, detail = w.component, w.state, w.detail
	}
	if broken == "" && !p.full {
		return b
	}
	b = append(b, `,"components":[`...)
	if broken != "" {
		b = appendText(b, `{"type":`, broken)
		b = appendText(b, `,"state":`, state)
		b = appendText(b, `,"detail":`, detail)
		b = append(b, `},`...)
	}
	if p.full {
		for _, c := range [...]string{"printer", "card_reader", "scanner", "cash_drawer"} {
			if c != broken {
				b = appendText(b, `{"type":`, c)
				b = append(b, `,"state":"ok"},`...)
			}
		}
	}
	b[len(b)-1] = ']'
	return b
}
