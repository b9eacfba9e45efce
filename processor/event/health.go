package event

// maxMilli bounds durations in milliseconds: a day.
const maxMilli = 86_400_000

// maxHeartbeatS bounds the time until the next report, in seconds.
const maxHeartbeatS = 1<<16 - 1

// healthField takes a field of a health report; found is false if the key is none of them.
func (d *Decoder) healthField(k key) (found, ok bool) {
	h, s := &d.event.Health, &d.scan
	switch k {
	case keyStatus:
		ok = s.string(&h.Status)
	case keyResponseMS:
		ok = s.optUint32(&h.ResponseMS, maxMilli)
	case keyHeartbeatIntervalS:
		ok = s.optUint32(&h.HeartbeatInterval, maxHeartbeatS)
	case keyBootID:
		ok = s.string(&h.BootID)
	case keyUptimeS:
		ok = s.optUint32(&h.UptimeS, 1<<32-1)
	case keySoftwareVersion:
		ok = s.string(&h.SoftwareVersion)
	case keyFirmwareVersion:
		ok = s.string(&h.FirmwareVersion)
	case keyConfigVersion:
		ok = s.string(&h.ConfigVersion)
	case keyModel:
		ok = s.string(&h.Model)
	case keySerial:
		ok = s.string(&h.Serial)
	case keyComponents:
		h.Components = h.Components[:0]
		ok = s.optArray(func(i int) bool {
			h.Components = append(h.Components, Component{})
			return d.component(&h.Components[i])
		})
	case keyHosts:
		h.Hosts = h.Hosts[:0]
		ok = s.optArray(func(i int) bool {
			h.Hosts = append(h.Hosts, Host{})
			return d.host(&h.Hosts[i])
		})
	case keyNetwork:
		ok = d.network()
	case keyBacklog:
		ok = d.backlog()
	case keyResources:
		ok = d.resources()
	case keyCapability:
		ok = d.capability()
	case keyErrors:
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
	k := s.enter(shapeComponent)
	for ; k < keys; k = s.next(shapeComponent, k) {
		ok := true
		switch k {
		case keyType:
			ok = s.string(&c.Type)
		case keyID:
			ok = s.string(&c.ID)
		case keyState:
			ok = s.string(&c.State)
		case keyDetail:
			ok = s.string(&c.Detail)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) host(h *Host) bool {
	s := &d.scan
	k := s.enter(shapeHost)
	for ; k < keys; k = s.next(shapeHost, k) {
		ok := true
		switch k {
		case keyService:
			ok = s.string(&h.Service)
		case keyReachable:
			ok = s.bool(&h.Reachable)
		case keyLatencyMS:
			ok = s.optUint32(&h.LatencyMS, maxMilli)
		case keyError:
			ok = s.string(&h.Error)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) network() bool {
	n, s := &d.event.Health.Network, &d.scan
	*n = Network{}
	if s.null() {
		return true
	}
	k := s.enter(shapeNetwork)
	for ; k < keys; k = s.next(shapeNetwork, k) {
		ok := true
		switch k {
		case keyKind:
			ok = s.string(&n.Kind)
		case keyLatencyMS:
			ok = s.optUint32(&n.LatencyMS, maxMilli)
		case keyLossPPM:
			ok = s.optUint32(&n.LossPPM, 1_000_000)
		case keySignalDBM:
			ok = s.optInt64(&n.SignalDBM)
		case keyFailover:
			ok = s.bool(&n.Failover)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) backlog() bool {
	b, s := &d.event.Health.Backlog, &d.scan
	*b = Backlog{}
	if s.null() {
		return true
	}
	k := s.enter(shapeBacklog)
	for ; k < keys; k = s.next(shapeBacklog, k) {
		ok := true
		switch k {
		case keyTransactions:
			ok = s.uint32(&b.Transactions)
		case keyPayments:
			ok = s.uint32(&b.Payments)
		case keyAmount:
			ok = s.amount(&b.Amount)
		case keyCurrency:
			ok = s.string(&b.Currency)
		case keyOldestAt:
			ok = s.time(&b.OldestAt)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) resources() bool {
	r, s := &d.event.Health.Resources, &d.scan
	*r = Resources{}
	if s.null() {
		return true
	}
	k := s.enter(shapeResources)
	for ; k < keys; k = s.next(shapeResources, k) {
		ok := true
		switch k {
		case keyCPUPct:
			ok = s.optUint32(&r.CPUPct, 100)
		case keyMemoryPct:
			ok = s.optUint32(&r.MemoryPct, 100)
		case keyDiskFreeMB:
			ok = s.optUint64(&r.DiskFreeMB)
		case keyTemperatureC:
			ok = s.optInt64(&r.TemperatureC)
		case keyBatteryPct:
			ok = s.optUint32(&r.BatteryPct, 100)
		case keyOnBattery:
			ok = s.bool(&r.OnBattery)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) capability() bool {
	c, s := &d.event.Health.Capability, &d.scan
	*c = Capability{}
	if s.null() {
		return true
	}
	k := s.enter(shapeCapability)
	for ; k < keys; k = s.next(shapeCapability, k) {
		ok := true
		switch k {
		case keySell:
			ok = s.optBool(&c.Sell)
		case keyCard:
			ok = s.optBool(&c.Card)
		case keyCash:
			ok = s.optBool(&c.Cash)
		case keyReturn:
			ok = s.optBool(&c.Return)
		case keyOffline:
			ok = s.optBool(&c.Offline)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) healthError(e *HealthError) bool {
	s := &d.scan
	k := s.enter(shapeError)
	for ; k < keys; k = s.next(shapeError, k) {
		ok := true
		switch k {
		case keyCode:
			ok = s.string(&e.Code)
		case keyCount:
			ok = s.uint32(&e.Count)
		case keyFirstAt:
			ok = s.time(&e.FirstAt)
		case keyLastAt:
			ok = s.time(&e.LastAt)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}
