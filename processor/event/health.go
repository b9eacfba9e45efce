package event

// maxMilli bounds durations in milliseconds: a day.
const maxMilli = 86_400_000

// healthField takes a field of a health report; found is false if the key is none of them.
func (d *Decoder) healthField(key string) (found, ok bool) {
	h, s := &d.event.Health, &d.scan
	switch key {
	case "status":
		ok = s.string(&h.Status)
	case "response_ms":
		ok = s.optUint32(&h.ResponseMS, maxMilli)
	case "heartbeat_interval_s":
		ok = s.optUint32(&h.HeartbeatInterval, 1<<16-1)
	case "boot_id":
		ok = s.string(&h.BootID)
	case "uptime_s":
		ok = s.optUint32(&h.UptimeS, 1<<32-1)
	case "software_version":
		ok = s.string(&h.SoftwareVersion)
	case "firmware_version":
		ok = s.string(&h.FirmwareVersion)
	case "config_version":
		ok = s.string(&h.ConfigVersion)
	case "model":
		ok = s.string(&h.Model)
	case "serial":
		ok = s.string(&h.Serial)
	case "components":
		h.Components = h.Components[:0]
		ok = s.optArray(func(i int) bool {
			h.Components = append(h.Components, Component{})
			return d.component(&h.Components[i])
		})
	case "hosts":
		h.Hosts = h.Hosts[:0]
		ok = s.optArray(func(i int) bool {
			h.Hosts = append(h.Hosts, Host{})
			return d.host(&h.Hosts[i])
		})
	case "network":
		ok = d.network()
	case "backlog":
		ok = d.backlog()
	case "resources":
		ok = d.resources()
	case "capability":
		ok = d.capability()
	case "errors":
		h.Errors = h.Errors[:0]
		ok = s.optArray(func(i int) bool {
			h.Errors = append(h.Errors, HealthError{})
			return d.healthError(&h.Errors[i])
		})
	default:
		return false, true
	}
	return true, ok
}

func (d *Decoder) component(c *Component) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "type":
			ok = s.string(&c.Type)
		case "id":
			ok = s.string(&c.ID)
		case "state":
			ok = s.string(&c.State)
		case "detail":
			ok = s.string(&c.Detail)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) host(h *Host) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "service":
			ok = s.string(&h.Service)
		case "reachable":
			ok = s.bool(&h.Reachable)
		case "latency_ms":
			ok = s.optUint32(&h.LatencyMS, maxMilli)
		case "error":
			ok = s.string(&h.Error)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) network() bool {
	n, s := &d.event.Health.Network, &d.scan
	*n = Network{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "kind":
			ok = s.string(&n.Kind)
		case "latency_ms":
			ok = s.optUint32(&n.LatencyMS, maxMilli)
		case "loss_ppm":
			ok = s.optUint32(&n.LossPPM, 1_000_000)
		case "signal_dbm":
			ok = s.optInt64(&n.SignalDBM)
		case "failover":
			ok = s.bool(&n.Failover)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) backlog() bool {
	b, s := &d.event.Health.Backlog, &d.scan
	*b = Backlog{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "transactions":
			ok = s.uint32(&b.Transactions)
		case "payments":
			ok = s.uint32(&b.Payments)
		case "amount":
			ok = s.amount(&b.Amount)
		case "currency":
			ok = s.string(&b.Currency)
		case "oldest_at":
			ok = s.time(&b.OldestAt)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) resources() bool {
	r, s := &d.event.Health.Resources, &d.scan
	*r = Resources{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "cpu_pct":
			ok = s.optUint32(&r.CPUPct, 100)
		case "memory_pct":
			ok = s.optUint32(&r.MemoryPct, 100)
		case "disk_free_mb":
			ok = s.optUint64(&r.DiskFreeMB)
		case "temperature_c":
			ok = s.optInt64(&r.TemperatureC)
		case "battery_pct":
			ok = s.optUint32(&r.BatteryPct, 100)
		case "on_battery":
			ok = s.bool(&r.OnBattery)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) capability() bool {
	c, s := &d.event.Health.Capability, &d.scan
	*c = Capability{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "sell":
			ok = s.optBool(&c.Sell)
		case "card":
			ok = s.optBool(&c.Card)
		case "cash":
			ok = s.optBool(&c.Cash)
		case "return":
			ok = s.optBool(&c.Return)
		case "offline":
			ok = s.optBool(&c.Offline)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) healthError(e *HealthError) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "code":
			ok = s.string(&e.Code)
		case "count":
			ok = s.uint32(&e.Count)
		case "first_at":
			ok = s.time(&e.FirstAt)
		case "last_at":
			ok = s.time(&e.LastAt)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}
