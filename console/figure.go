package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/text/currency"
)

// page is one look at a page.
type page struct {
	view
	console *console
	visitor visitor
	Kind    pageKind
}

// Kinds are the pages that the visitor may see.
func (p *page) Kinds() []pageKind {
	return slices.DeleteFunc(pageKinds(), func(k pageKind) bool { return !p.visitor.roles.has(k.needs) })
}

// Who is the visitor's name; empty if nobody had to log in.
func (p *page) Who() string { return p.visitor.name }

// Leave is the button that ends a session; nil if there is none.
func (p *page) Leave() *form {
	if !p.visitor.logout {
		return nil
	}
	return &form{Action: p.here(logoutPath), Text: p.T("logout")}
}

// Current is the name of the page; of what is not one of Kinds it is empty.
func (p *page) Current() string { return p.Kind.name }

// here is another address with the language and the colours of this one.
func (p *page) here(path string) string {
	q := url.Values{}
	for key, values := range p.values() {
		if key == "lang" || key == "theme" {
			q[key] = values
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// figure is what is drawn of one question. One of Tiles, Table, Heat and Days is there, or Problem, or none: nothing was found.
type figure struct {
	ID, Title, Note string
	SQL             string
	Problem         string // why there is no answer, and what to do
	Empty           string
	Tiles           []tile
	Table           *table
	Heat            *heat
	Days            []dayLine
	Legend          []legend
	Before, After   string // addresses of what goes before and after what is shown
	Wide            bool
}

// tile is a number with its name.
type tile struct{ Label, Value, Class, Note string }

// table has a head and rows of cells.
type table struct {
	Head []cell
	Rows []line
}

// line is a row, which others may refer to.
type line struct {
	ID    string
	Cells []cell
}

// cell is text, perhaps with a link and a class of the style sheet; or words, none of which is broken; and perhaps a button.
type cell struct {
	Text, Class, Href, Title string
	Words                    []string
	Form                     *form
}

// heat is a table whose cells have a shade.
type heat struct {
	Corner string
	Head   []string
	Rows   []heatRow
}

type heatRow struct {
	Label cell
	Cells []cell
}

// legend explains a shade.
type legend struct{ Class, Text string }

// dayLine is a day of a timeline: bars in thousandths of it.
type dayLine struct {
	Label string
	Bars  []bar
}

type bar struct {
	X, Width    float64
	Class, Text string
	Ref         string // id of the row that tells about it
}

// ask begins a figure with the rows of its question. ok is false where there are none, and the figure says why.
func (p *page) ask(ctx context.Context, id string, q question) (f figure, rows [][]any, ok bool) {
	f = figure{ID: id, Title: p.T("figure." + id), Note: p.note(id), SQL: q.text(), Empty: p.T("empty")}
	rows, err := p.console.answers.get(ctx, q)
	switch {
	case err == nil:
		return f, rows, len(rows) > 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
	case tooMuch(err):
		f.Problem = p.T("problem.much")
	default:
		f.Problem = p.T("problem.other")
		p.console.deps.Log.Warn("a figure of the console has no answer", zap.String("figure", id), zap.Error(err))
	}
	return f, nil, false
}

// note is the sentence under a title, if it has one.
func (p *page) note(id string) string {
	if key := "note." + id; has(key) {
		return p.T(key)
	}
	return ""
}

// column is how one column of a table is made of a row.
type column struct {
	head string // message
	num  bool
	show func(p *page, row []any) cell
}

// table asks, and shows the answer as a table.
func (p *page) table(id string, q question, columns ...column) draw {
	return func(ctx context.Context) figure {
		f, rows, ok := p.ask(ctx, id, q)
		if ok {
			f.Table = p.rows(rows, columns)
		}
		return f
	}
}

func (p *page) rows(rows [][]any, columns []column) *table {
	t := &table{}
	for _, c := range columns {
		head := cell{Text: p.T("column." + c.head)}
		if c.num {
			head.Class = "num"
		}
		t.Head = append(t.Head, head)
	}
	for _, row := range rows {
		l := line{Cells: make([]cell, len(columns))}
		for i, c := range columns {
			l.Cells[i] = c.show(p, row)
			if c.num {
				l.Cells[i].Class = strings.TrimSpace(l.Cells[i].Class + " num")
			}
		}
		t.Rows = append(t.Rows, l)
	}
	return t
}

const pageRows = 50

// paged asks for one row more than is shown, from where the address says on, and links to what goes before and after. The text of the question must
// end before its LIMIT.
func (p *page) paged(id, key string, q question, columns ...column) draw {
	return func(ctx context.Context) figure {
		at := p.offsets[key]
		q.sql += fmt.Sprintf("\nLIMIT %d OFFSET %d", pageRows+1, at)
		f, rows, ok := p.ask(ctx, id, q)
		if at > 0 {
			f.Before = p.further(key, at-pageRows)
		}
		if !ok {
			return f
		}
		if len(rows) > pageRows {
			rows = rows[:pageRows]
			f.After = p.further(key, at+pageRows)
		}
		f.Table = p.rows(rows, columns)
		return f
	}
}

// further is the same page with one of its figures from another row on; the others stay where they are.
func (p *page) further(key string, n int) string {
	var changes []string
	for other, at := range p.offsets {
		if other != key {
			changes = append(changes, other, strconv.Itoa(at))
		}
	}
	if n > 0 {
		changes = append(changes, key, strconv.Itoa(n))
	}
	return p.href(p.name, changes...)
}

func text(head string, i int) column {
	return column{head, false, func(_ *page, row []any) cell { return cell{Text: orNothing(row[i])} }}
}

// wrapped is a sentence, which may take several lines.
func wrapped(head string, i int) column {
	return column{head, false, func(_ *page, row []any) cell { return cell{Text: orNothing(row[i]), Class: "wrap"} }}
}

// code is text that people compare by its letters: an id, a command.
func code(head string, i int) column {
	return column{head, false, func(_ *page, row []any) cell { return cell{Text: orNothing(row[i]), Class: "code"} }}
}

// short is the beginning of what only programs read to the end.
func short(head string, i int) column {
	return column{head, false, func(_ *page, row []any) cell {
		c := cell{Text: orNothing(row[i]), Class: "code"}
		if len(c.Text) > 20 {
			c.Title, c.Text = c.Text, c.Text[:19]+"…"
		}
		return c
	}}
}

// word is one of a closed list that has a message for each.
func word(head, list string, i int) column {
	return column{head, false, func(p *page, row []any) cell { return p.word(list, row[i]) }}
}

func (p *page) word(list string, value any) cell {
	s := orNothing(value)
	if key := list + "." + s; has(key) {
		return cell{Text: p.T(key), Class: list + "-" + s}
	}
	return cell{Text: s}
}

func count(head string, i int) column { return decimals(head, i, 0) }

func decimals(head string, i, digits int) column {
	return column{head, true, func(p *page, row []any) cell { return cell{Text: p.amount(row[i], digits)} }}
}

// money is written with the digits that its currency has, which another column names: two of EUR, none of JPY.
func money(head string, i, code int) column {
	return column{head, true, func(p *page, row []any) cell {
		digits := 2
		if unit, err := currency.ParseISO(fmt.Sprint(row[code])); err == nil {
			digits, _ = currency.Standard.Rounding(unit)
		}
		return cell{Text: p.amount(row[i], digits)}
	}}
}

// found is a count that is worth a look where it is not 0.
func found(head string, i int, class string) column {
	return column{head, true, func(p *page, row []any) cell {
		c := cell{Text: p.amount(row[i], 0)}
		if n, _ := number(row[i]); n > 0 {
			c.Class = class
		}
		return c
	}}
}

func ratio(head string, i, digits int) column {
	return column{head, true, func(p *page, row []any) cell { return cell{Text: p.percent(row[i], digits)} }}
}

// span is of so many of a unit; negative and NULL are nothing.
func span(head string, i int, unit time.Duration) column {
	return column{head, true, func(p *page, row []any) cell {
		n, ok := number(row[i])
		if !ok || n < 0 {
			return cell{Text: nothing}
		}
		return cell{Text: p.span(time.Duration(n * float64(unit)))}
	}}
}

func moment(head string, i int) column {
	return column{head, true, func(p *page, row []any) cell { return p.momentCell(row[i]) }}
}

func (p *page) momentCell(value any) cell {
	t, ok := value.(time.Time)
	if !ok || t.Unix() <= 0 {
		return cell{Text: nothing}
	}
	return cell{Text: p.moment(t), Title: t.UTC().Format(time.RFC3339)}
}

func date(head string, i int) column {
	return column{head, true, func(_ *page, row []any) cell {
		if t, ok := row[i].(time.Time); ok && t.Unix() > 0 {
			return cell{Text: t.Format(dateForm)}
		}
		return cell{Text: nothing}
	}}
}

// linked makes a column a link.
func linked(c column, href func(p *page, row []any) string) column {
	show := c.show
	c.show = func(p *page, row []any) cell {
		out := show(p, row)
		out.Href = href(p, row)
		return out
	}
	return c
}

func orNothing(value any) string {
	switch s := value.(type) {
	case nil:
		return nothing
	case string:
		if s == "" {
			return nothing
		}
		return s
	}
	return fmt.Sprint(value)
}

// storeLink and tillLink lead to the availability of what a column names.
func storeLink(to string, i int) func(*page, []any) string {
	return func(p *page, row []any) string { return p.href(to, "store", fmt.Sprint(row[i]), "terminal", "") }
}

func tillLink(store, terminal int) func(*page, []any) string {
	return func(p *page, row []any) string {
		return p.href("availability", "store", fmt.Sprint(row[store]), "terminal", fmt.Sprint(row[terminal]))
	}
}

// shade is one of ten classes by how much a value is of the most.
func shade(value, most float64) string {
	if value <= 0 || most <= 0 {
		return "h0"
	}
	return "h" + strconv.Itoa(min(9, 1+int(value/most*8.999)))
}
