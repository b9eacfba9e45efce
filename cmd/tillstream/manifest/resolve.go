package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

// Resolve makes the document of every store, as JSON, by its id. The set must have passed Check.
func (s Set) Resolve() (map[string]string, error) {
	out := map[string]string{}
	stores := map[string]*registry.Document{}
	built := map[string]*registry.Store{} // without terminals
	var problems []error
	for _, o := range s.sorted() {
		if o.Kind != KindStore {
			continue
		}
		doc := s.store(o.Spec.(*Store))
		text, err := json.Marshal(doc) // a copy: Build keeps what it is given
		if err != nil {
			return nil, fmt.Errorf("writing the document of %s: %w", o.Key(), err)
		}
		var own registry.Document
		if err := json.Unmarshal(text, &own); err != nil {
			return nil, fmt.Errorf("reading the document of %s: %w", o.Key(), err)
		}
		store, flaw := own.Build(o.Metadata.Name, 0)
		if flaw != nil {
			problems = append(problems, o.problem("spec."+flaw.Field, "expected "+flaw.Expected))
			continue
		}
		stores[o.Metadata.Name], built[o.Metadata.Name] = doc, store
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, o := range s.sorted() { // by name, so documents are always the same
		if o.Kind != KindTerminal {
			continue
		}
		byStore, err := s.terminal(o, built)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for id, t := range byStore {
			stores[id].Terminals = append(stores[id].Terminals, *t)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		text, err := json.Marshal(stores[id])
		if err != nil {
			return nil, fmt.Errorf("writing the document of Store %s: %w", id, err)
		}
		out[id] = string(text)
	}
	return out, errors.Join(problems...)
}

// over is what holds when terms are changed: what the change names, else what was.
func over[T any](was, change T) T {
	c, out := reflect.ValueOf(change), was
	o := reflect.ValueOf(&out).Elem()
	for i := range c.NumField() {
		if !c.Field(i).IsZero() {
			o.Field(i).Set(c.Field(i))
		}
	}
	return out
}

// store makes a version of each stretch in which neither the store's terms nor those of its calendar change.
func (s Set) store(spec *Store) *registry.Document {
	doc := &registry.Document{OpenedOn: spec.OpenedOn, ClosedOn: spec.ClosedOn}
	var starts []registry.Date
	used := map[string]bool{spec.Calendar: true}
	for _, v := range spec.Versions {
		starts = append(starts, *v.From)
		used[v.Calendar] = true
	}
	for name := range used {
		if name != "" {
			for _, v := range s[Key{KindCalendar, name}].Spec.(*Calendar).Versions {
				starts = append(starts, *v.From)
			}
		}
	}
	slices.Sort(starts)
	doc.Versions = []registry.Version{s.version(spec, nil)}
	for _, from := range slices.Compact(starts) {
		v := s.version(spec, &from)
		same := v
		last := doc.Versions[len(doc.Versions)-1]
		if same.From = last.From; !reflect.DeepEqual(same, last) {
			doc.Versions = append(doc.Versions, v)
		}
	}
	return doc
}

// version is what is in force on a day; nil: in the beginning.
func (s Set) version(spec *Store, on *registry.Date) registry.Version {
	t := spec.StoreTerms
	for _, v := range spec.Versions {
		if on != nil && *v.From <= *on {
			t = over(t, v.StoreTerms)
		}
	}
	v := registry.Version{
		Timezone: t.Timezone, Currency: t.Currency, Format: t.Format, Area: t.Area, LineSupplier: t.LineSupplier,
		BusinessDayCutoff: t.BusinessDayCutoff, SellQuorum: t.SellQuorum,
	}
	if on != nil {
		v.From = *on
	}
	if t.Calendar == "" && len(spec.SpecialDays) == 0 && len(spec.Closures) == 0 {
		return v
	}
	zone, _ := registry.Zone(t.Timezone) // it was checked
	v.Calendar = &registry.Calendar{}
	if t.Calendar == "" { // open but for what the store itself says
		for d := time.Sunday; d <= time.Saturday; d++ {
			*v.Calendar.Week.Day(d) = []registry.Window{{Open: 0, Close: 1440}}
		}
	} else {
		s.calendar(v.Calendar, s[Key{KindCalendar, t.Calendar}].Spec.(*Calendar), on, zone)
	}
	exceptions(v.Calendar, spec.SpecialDays, spec.Closures, zone)
	return v
}

func (s Set) calendar(into *registry.Calendar, spec *Calendar, on *registry.Date, zone *time.Location) {
	t := spec.CalendarTerms
	for _, v := range spec.Versions {
		if on != nil && *v.From <= *on {
			t = over(t, v.CalendarTerms)
		}
	}
	for key, windows := range t.Week {
		days, _ := registry.Weekdays(key)
		for _, d := range days {
			*into.Week.Day(d) = windows
		}
	}
	into.HolidayHours = t.HolidayHours
	for _, name := range t.Holidays {
		for _, h := range s[Key{KindHolidays, name}].Spec.(*Holidays).Days {
			if h.Date.yearly != 0 {
				into.Yearly = append(into.Yearly, h.Date.yearly)
			} else {
				into.Holidays = append(into.Holidays, h.Date.date)
			}
		}
	}
	slices.Sort(into.Holidays)
	slices.Sort(into.Yearly)
	into.Holidays, into.Yearly = slices.Compact(into.Holidays), slices.Compact(into.Yearly)
	exceptions(into, spec.SpecialDays, spec.Closures, zone)
}

// exceptions adds special days, over those that are there, and closures.
func exceptions(into *registry.Calendar, special []SpecialDay, closures []Closure, zone *time.Location) {
	if into.Days == nil && len(special) > 0 {
		into.Days = map[string][]registry.Window{}
	}
	for _, d := range special {
		into.Days[d.Date.String()] = d.Hours
	}
	for _, x := range closures {
		if x.From.isDate() {
			into.ClosedDays = append(into.ClosedDays, registry.Days{From: x.From.date, To: x.To.date})
			continue
		}
		from, to := x.From.in(zone), x.To.in(zone)
		into.Closed = append(into.Closed, registry.Instants{From: &from, To: &to})
	}
}

// in is the instant in a zone.
func (w *When) in(zone *time.Location) registry.Instant {
	if w.instant {
		return registry.Instant(w.milli)
	}
	return registry.Instant(registry.Wall(zone, w.date, w.minute))
}

// terminal makes the part of a terminal in each store that it was in.
func (s Set) terminal(o *Object, stores map[string]*registry.Store) (map[string]*registry.TerminalDocument, error) {
	spec := o.Spec.(*Terminal)
	lives := make([]registry.Instants, len(spec.Lives))
	for i, l := range spec.Lives {
		in := stores[l.Store]
		if l.From != nil {
			at := registry.Instant(l.From.at(in))
			lives[i].From = &at
		}
		if l.To != nil {
			at := registry.Instant(l.To.at(in))
			lives[i].To = &at
		}
	}
	for i := range lives {
		path := fmt.Sprintf("spec.lives[%d]", i)
		if i > 0 && *lives[i].From < *lives[i-1].To {
			// The same day at both ends, in two zones, is a move: one life ends where the next begins.
			if spec.Lives[i].From.text != spec.Lives[i-1].To.text {
				return nil, o.problem(path+".from", "it must not be before the life before ends")
			}
			lives[i-1].To = lives[i].From
		}
	}
	for i, l := range lives {
		if l.From != nil && l.To != nil && *l.To <= *l.From {
			return nil, o.problem(fmt.Sprintf("spec.lives[%d].to", i), "it must be after from")
		}
	}
	out := map[string]*registry.TerminalDocument{}
	for i, l := range spec.Lives {
		if t := out[l.Store]; t != nil {
			t.Lives = append(t.Lives, lives[i])
			continue
		}
		versions, err := s.terminalVersions(o, spec, l.Store, stores[l.Store])
		if err != nil {
			return nil, err
		}
		out[l.Store] = &registry.TerminalDocument{ID: o.Metadata.Name, Lives: lives[i : i+1 : i+1], Versions: versions}
	}
	return out, nil
}

// terminalVersions takes from the store what the terminal does not say, and the store does.
func (s Set) terminalVersions(o *Object, spec *Terminal, id string, store *registry.Store) ([]registry.TerminalVersion, error) {
	in := s[Key{KindStore, id}].Spec.(*Store)
	type change struct {
		at       registry.Instant
		store    *StoreTerms
		terminal *TerminalTerms
	}
	var changes []change
	for i := range in.Versions {
		v := &in.Versions[i]
		changes = append(changes, change{at: registry.Instant(store.Wall(*v.From, 0)), store: &v.StoreTerms})
	}
	last := registry.Instant(0)
	for i := range spec.Versions {
		v := &spec.Versions[i]
		at := registry.Instant(v.From.at(store))
		if i > 0 && at <= last {
			return nil, o.problem(fmt.Sprintf("spec.versions[%d].from", i), "it is not after the version before")
		}
		last = at
		changes = append(changes, change{at: at, terminal: &v.TerminalTerms})
	}
	slices.SortStableFunc(changes, func(a, b change) int { return int(min(max(a.at-b.at, -1), 1)) })
	st, tt := in.StoreTerms, spec.TerminalTerms
	made := func(from *registry.Instant) registry.TerminalVersion {
		v := registry.TerminalVersion{
			From: from, Role: tt.Role, Model: tt.Model, Components: tt.Components, SellNeeds: tt.SellNeeds, HeartbeatTimeout: tt.HeartbeatTimeout.milli(),
			Customer: tt.Customer, Services: tt.Services, LineSupplier: tt.LineSupplier,
		}
		if v.SellNeeds == nil {
			v.SellNeeds = st.SellNeeds
		}
		if v.HeartbeatTimeout == 0 {
			v.HeartbeatTimeout = st.HeartbeatTimeout.milli()
		}
		if v.LineSupplier == "" {
			v.LineSupplier = st.LineSupplier
		}
		return v
	}
	versions := []registry.TerminalVersion{made(nil)}
	for _, c := range changes {
		if c.store != nil {
			st = over(st, *c.store)
		} else {
			tt = over(tt, *c.terminal)
		}
		v := made(&c.at)
		if n := len(versions); versions[n-1].From != nil && *versions[n-1].From == c.at {
			versions[n-1] = v
			continue
		}
		same := v
		if same.From = versions[len(versions)-1].From; !reflect.DeepEqual(same, versions[len(versions)-1]) {
			versions = append(versions, v)
		}
	}
	return versions, nil
}

// Event is the event that carries a store's document; "" says that the store is removed.
func Event(id string, revision uint64, at time.Time, doc string) ([]byte, error) {
	if doc == "" {
		doc = `{"removed":true}`
	}
	sum := sha256.Sum256([]byte(id)) // ids of stores may be as long as those of events
	b, err := json.Marshal(map[string]any{
		"id": fmt.Sprintf("registry/%d/%x", revision, sum[:6]), "source": "tillstream apply", "type": "pos.registry.v1",
		"time": at.UTC().Format("2006-01-02T15:04:05.000Z"), "store_id": id, "revision": revision, "store": json.RawMessage(doc),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the event of Store %s: %w", id, err)
	}
	return b, nil
}
