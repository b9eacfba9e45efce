package manifest

import (
	"time"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// AlertPairs are, by agreement and objective, the windows of burn rates that its SLO asks for by AlertPolicies, by the texts in force on its date in UTC.
// Those of whose SLO there are none are not in it.
func (s Set) AlertPairs(at time.Time) map[[2]string][]alert.Pair {
	out := map[[2]string][]alert.Pair{}
	book := s.Book()
	for name := range book.Agreements {
		r, err := book.Resolve(name, registry.DateOf(at.UTC().Date()))
		if err != nil {
			continue // none is in force: nothing burns
		}
		for _, o := range r.Terms.Objectives {
			slo := s[Key{KindSLO, o.SLORef}]
			if slo == nil {
				continue
			}
			for _, ref := range slo.Spec.(*openslo.SLO).AlertPolicies {
				if p := s[Key{KindAlertPolicy, ref.AlertPolicyRef}]; p != nil {
					k := [2]string{name, o.Name}
					out[k] = append(out[k], p.Spec.(*openslo.AlertPolicy).Pairs()...)
				}
			}
		}
	}
	return out
}
