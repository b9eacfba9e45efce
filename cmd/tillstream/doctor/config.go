package doctor

import (
	"net"
	"slices"
	"strings"
)

// config judges what can be configured so, and is not wise. What cannot be is refused when it is loaded.
func (r *report) config(f *Facts) {
	r.area = "config"
	c := f.Config
	before := len(r.all)
	if err := c.RequireSecret(); err != nil {
		r.add("secret", Fail, "", "%v", err)
	}
	if f.Demo {
		r.fine(before)
		return
	}
	for _, t := range c.TLSKeys() {
		if t.InsecureSkipVerify {
			r.add("tls", Warn, "set "+t.Key+".ca_file to the authority that signed it and remove insecure_skip_verify", "%s.insecure_skip_verify is true: whoever sits between sees and changes everything", t.Key)
		}
	}
	r.certificates(f)
	if m := c.Kafka.SASL.Mechanism; m == "oauthbearer" && !c.Kafka.TLS.Enabled && slices.ContainsFunc(c.Kafka.Brokers, remote) {
		r.add("sasl", Warn, "set kafka.tls.enabled", "the token of kafka.sasl goes over the net in clear text: whoever sees it is us until it ends")
	} else if m == "plain" && !c.Kafka.TLS.Enabled && slices.ContainsFunc(c.Kafka.Brokers, remote) {
		r.add("sasl", Warn, "set kafka.tls.enabled, or kafka.sasl.mechanism to scram-sha-512", "the password of kafka.sasl goes over the net in clear text")
	}
	if len(c.Kafka.Brokers) == 1 && f.Kafka.Err == nil && f.Kafka.Brokers > 1 {
		r.add("brokers", Warn, "name two or three in kafka.brokers", "kafka.brokers names one of %d: while it is down no member starts", f.Kafka.Brokers)
	}
	if c.Listen == "" {
		r.add("listen", Warn, "set listen, for example to 0.0.0.0:9464", "nobody can watch this member: no metrics, no health checks")
	}
	switch {
	case c.Alerts.Every == 0:
		r.add("alerts", Warn, "set alerts.every, for example to 1s", "no alerts are judged")
	case c.Alerts.Topic == "" && len(c.Alerts.Alertmanager.URLs) == 0:
		r.add("alerts", Warn, "set alerts.topic or alerts.alertmanager.urls", "alerts are told to nobody: they are only in pos.alerts")
	}
	if c.SLA.Every == 0 && f.Registry.Agreements > 0 {
		r.add("sla", Warn, "set sla.every, or let a timer run tillstream sla evaluate", "%s registered and sla.every is 0: members do not evaluate", plural(f.Registry.Agreements, "agreement"))
	}
	for _, t := range f.Kafka.Topics {
		if n := c.Processor.Lanes; t.Partitions > 0 && n > t.Partitions && slices.Contains(c.Kafka.Topics, t.Name) {
			r.add("lanes", Warn, "lower processor.lanes, or 0 for as many as partitions, at most 8", "processor.lanes is %d, but %s has %d partitions: the lanes beyond have nothing to do", n, t.Name, t.Partitions)
			break
		}
	}
	r.fine(before)
}

// fine says so if nothing was found since.
func (r *report) fine(before int) {
	if len(r.all) == before {
		r.ok("keys", "nothing that is unwise")
	}
}

// remote says whether an address is of another machine.
func remote(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback())
}
