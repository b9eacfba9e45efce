package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// view is what the address says.
type view struct {
	name            string // of the page
	lang            int    // index into a message
	langGiven       bool
	zone            *time.Location
	theme           string    // light, dark, or empty: as the browser likes
	days            int       // of the range that ends today; 0: from and to were given
	from, to        time.Time // dates, at 00:00 UTC; to is the last one
	store, terminal string
	offsets         map[string]int // of figures that go on, by name
	part            bool           // only the figures
	now             time.Time
}

const (
	maxText   = 200 // bytes of a name in the address
	maxDays   = 400 // of a range
	maxOffset = 10_000_000
	dateForm  = "2006-01-02"
)

var (
	ranges    = [...]int{1, 7, 14, 28, 91}
	languages = [...]string{"en", "fr"} // the order of messages
)

const usualDays = 7

// parse reads an address; what makes no sense in it is as if it were not there.
func parse(r *http.Request, name string, now time.Time) view {
	q := r.URL.Query()
	text := func(key string) string {
		s := q.Get(key)
		if len(s) > maxText {
			return ""
		}
		return s
	}
	v := view{name: name, store: text("store"), terminal: text("terminal"), part: q.Get("part") != "", zone: time.UTC, now: now, offsets: map[string]int{}}
	if t := q.Get("theme"); t == "light" || t == "dark" {
		v.theme = t
	}
	if z := text("zone"); z != "" && z != "Local" {
		if zone, err := time.LoadLocation(z); err == nil {
			v.zone = zone
		}
	}
	v.lang, v.langGiven = chosen(q.Get("lang"), r.Header.Get("Accept-Language"))
	for _, key := range []string{"stores", "tills"} {
		if n, err := strconv.Atoi(q.Get(key)); err == nil && n > 0 && n <= maxOffset {
			v.offsets[key] = n
		}
	}
	today, _ := time.Parse(dateForm, now.In(v.zone).Format(dateForm))
	from, err1 := time.Parse(dateForm, q.Get("from"))
	to, err2 := time.Parse(dateForm, q.Get("to"))
	if err1 == nil && err2 == nil && !to.Before(from) && to.Sub(from) < maxDays*24*time.Hour {
		v.from, v.to = from, to
		return v
	}
	v.days = usualDays
	for _, n := range ranges {
		if q.Get("range") == strconv.Itoa(n)+"d" {
			v.days = n
		}
	}
	v.from, v.to = today.AddDate(0, 0, 1-v.days), today
	return v
}

// chosen is the language that was asked for, or else the browser's.
func chosen(asked, accepts string) (index int, given bool) {
	for i, l := range languages {
		if asked == l {
			return i, true
		}
	}
	tags, _, err := language.ParseAcceptLanguage(accepts)
	if err != nil {
		return 0, false
	}
	known := make([]language.Tag, len(languages))
	for i, l := range languages {
		known[i] = language.Make(l)
	}
	_, i, confidence := language.NewMatcher(known).Match(tags...)
	if confidence == language.No {
		return 0, false
	}
	return i, false
}

// values are the view as an address has them.
func (v *view) values() url.Values {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("store", v.store)
	set("terminal", v.terminal)
	set("theme", v.theme)
	if v.zone != time.UTC {
		q.Set("zone", v.zone.String())
	}
	if v.langGiven {
		q.Set("lang", languages[v.lang])
	}
	switch {
	case v.days == 0:
		q.Set("from", v.from.Format(dateForm))
		q.Set("to", v.to.Format(dateForm))
	case v.days != usualDays:
		q.Set("range", strconv.Itoa(v.days)+"d")
	}
	return q
}

// href is the address of a page as one sees it now, with some of it changed: key, value, key, value. An empty value takes the key away.
func (v *view) href(page string, changes ...string) string {
	q := v.values()
	for i := 0; i+1 < len(changes); i += 2 {
		q.Del(changes[i])
		if changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
	if len(q) == 0 {
		return Prefix + page
	}
	return Prefix + page + "?" + q.Encode()
}

// since and until are the range as instants, in the time zone of the view.
func (v *view) since() time.Time { return inZone(v.from, v.zone) }
func (v *view) until() time.Time { return inZone(v.to.AddDate(0, 0, 1), v.zone) }

func inZone(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
}

const instantForm = "2006-01-02 15:04:05"

// params are those that questions have of the view; each takes what its text names.
func (v *view) params() map[string]string {
	return map[string]string{
		"store": v.store, "terminal": v.terminal, "zone": v.zone.String(),
		"from": v.from.Format(dateForm), "to": v.to.Format(dateForm),
		"since": v.since().UTC().Format(instantForm), "until": v.until().UTC().Format(instantForm),
	}
}

// What templates ask.

func (v *view) Lang() string     { return languages[v.lang] }
func (v *view) Theme() string    { return v.theme }
func (v *view) Store() string    { return v.store }
func (v *view) Terminal() string { return v.terminal }
func (v *view) Zone() string     { return v.zone.String() }
func (v *view) From() string     { return v.from.Format(dateForm) }
func (v *view) To() string       { return v.to.Format(dateForm) }
func (v *view) Name() string     { return v.name }
func (v *view) T(key string) string {
	return message(v.lang, key)
}

// Go is the address of another page.
func (v *view) Go(page string) string { return v.href(page) }

// Part is the address of the figures alone, for what asks for them again.
func (v *view) Part() string {
	changes := []string{"part", "1"}
	for key, n := range v.offsets {
		changes = append(changes, key, strconv.Itoa(n))
	}
	return v.href(v.name, changes...)
}

// Stream is the address of the same figures as they change.
func (v *view) Stream() string { return strings.Replace(v.Part(), Prefix, Prefix+"live/", 1) }

// choice is one of several addresses.
type choice struct {
	Text, Href string
	Current    bool
}

// Ranges are the ranges one can choose.
func (v *view) Ranges() []choice {
	var out []choice
	for _, n := range ranges {
		text := strconv.Itoa(n) + " " + v.T("range.days")
		if n == 1 {
			text = v.T("range.today")
		}
		out = append(out, choice{text, v.href(v.name, "from", "", "to", "", "range", strconv.Itoa(n)+"d"), v.days == n})
	}
	return out
}

// Languages are the languages one can choose, each in itself.
func (v *view) Languages() []choice {
	var out []choice
	for i, l := range languages {
		out = append(out, choice{message(i, "language"), v.href(v.name, "lang", l), i == v.lang})
	}
	return out
}

// Themes are light, dark, and as the browser likes.
func (v *view) Themes() []choice {
	var out []choice
	for _, t := range []string{"", "light", "dark"} {
		key := "theme." + t
		if t == "" {
			key = "theme.auto"
		}
		out = append(out, choice{v.T(key), v.href(v.name, "theme", t), v.theme == t})
	}
	return out
}

// Clear is the address of the same page for all stores.
func (v *view) Clear() string { return v.href(v.name, "store", "", "terminal", "") }

// Kept are the parts of the address that a form on the page does not ask for.
func (p *page) Kept() map[string]string {
	out := map[string]string{}
	for key, values := range p.values() {
		switch key {
		case "zone":
		case "store", "terminal": // a form with a field for the store leaves the till behind
			if !p.Kind.byStore {
				out[key] = values[0]
			}
		case "from", "to", "range":
			if !p.Kind.ranged {
				out[key] = values[0]
			}
		default:
			out[key] = values[0]
		}
	}
	return out
}
