package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// services judges the servers beside Kafka and ClickHouse: of several that do the same one is enough, but one is none to spare.
func (r *report) services(f *Facts) {
	r.area = "service"
	for _, of := range []struct{ what, without string }{
		{SchemaRegistry, "records whose schema is not known yet cannot be read, and their lanes wait"},
		{Alertmanager, "alerts reach nobody there"},
		{LoginProvider, "nobody can log in to the console there"},
	} {
		var good, bad []string
		for _, s := range f.Services {
			switch {
			case s.What != of.what:
			case s.Err != nil:
				bad = append(bad, s.URL+": "+strings.ReplaceAll(s.Err.Error(), "\n", "; "))
			default:
				good = append(good, s.URL)
			}
		}
		if len(bad) == 0 {
			if len(good) > 0 {
				r.ok(of.what, "%s: it answers and lets us in", strings.Join(good, ", "))
			}
			continue
		}
		do := fmt.Sprintf("see that it runs, that this machine may reach it, and that %s is right", map[string]string{SchemaRegistry: "formats.schema_registry", Alertmanager: "alerts.alertmanager", LoginProvider: "console.oidc.issuer"}[of.what])
		if len(good) > 0 {
			r.add(of.what, Warn, do, "%s answers; %s", strings.Join(good, ", "), strings.Join(bad, "; "))
		} else {
			r.add(of.what, Fail, do, "%s: %s", of.without, strings.Join(bad, "; "))
		}
	}
}

// soon is when it is time to renew a certificate that nothing has renewed: cert-manager does it at a third of its time.
const soon = 7 * 24 * time.Hour

// certificates judges how long our own are good for.
func (r *report) certificates(f *Facts) {
	for _, key := range slices.Sorted(maps.Keys(f.Expiry)) {
		if left := f.Expiry[key].Sub(f.Now); left < soon {
			r.add("certificate", worst(left <= 0), "put a new one into the file; nothing is to be restarted", "that of %s is good until %s", key, f.Expiry[key].UTC().Format(time.RFC3339))
		}
	}
}
