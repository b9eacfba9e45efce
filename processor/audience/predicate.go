package audience

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Columns are what a predicate may name, and the view of database pos each comes from. A customer's pseudonym is not among them: an audience is chosen by what
// people do.
func Columns() map[string]string {
	out := map[string]string{}
	for view, columns := range map[string]string{
		"buyer_profiles": "currency segment top_category usual_dow usual_hour usual_store usual_method median_interval_days last_at channels net_365d",
		"rfm":            "recency_days frequency monetary r f m",
		"clv":            "expected_purchases p_alive expected_spend clv",
		"churn_risk":     "last_date days_since days risk level",
	} {
		for _, c := range strings.Fields(columns) {
			out[c] = view
		}
	}
	return out
}

// words are what else may be written: operators, and functions that see nothing but their arguments.
const (
	operators = "and or not in between like ilike is null true false interval day week month year"
	functions = "abs round floor ceil least greatest length empty notempty has hasany hasall lower upper startswith endswith todate todatetime now today yesterday datediff tointervalday todayofweek tomonth toyear coalesce ifnull"
)

// maxPredicate bounds a predicate, in bytes.
const maxPredicate = 4096

// Check says whether a text is a condition on the columns and nothing else. It is a list of what is allowed: names of columns, a few operators and functions,
// numbers, quoted strings, brackets. There is no name of a table in it, no statement, comment, setting or parameter, so it can read nothing but the row that it is asked
// of; what the database thinks of its types is the database's to say.
func Check(predicate string) error {
	if len(predicate) > maxPredicate {
		return fmt.Errorf("the condition has %d bytes, and may have %d", len(predicate), maxPredicate)
	}
	if strings.TrimSpace(predicate) == "" {
		return fmt.Errorf("the condition is empty; to choose all customers say true")
	}
	p := parser{text: predicate, columns: Columns(), operators: strings.Fields(operators), functions: strings.Fields(functions)}
	if err := p.run(); err != nil {
		return fmt.Errorf("at byte %d of the condition, %w", p.start+1, err)
	}
	return nil
}

// CheckOrder says whether a text is a column and a direction.
func CheckOrder(order string) error {
	words := strings.Fields(order)
	if len(words) == 0 || len(words) > 2 || Columns()[words[0]] == "" || len(words) == 2 && !slices.Contains([]string{"asc", "desc"}, strings.ToLower(words[1])) {
		return fmt.Errorf("%q is not a column and asc or desc; columns are %s", order, list(Columns()))
	}
	return nil
}

func list(columns map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(columns)), ", ")
}

type parser struct {
	text                 string
	start, at            int // of the token, and behind it
	columns              map[string]string
	operators, functions []string

	open     []byte // brackets
	literals int    // how many brackets were open where the list of an IN begins; 0 outside of one
	in       bool   // the token before was IN: a list must follow, for a name there would be a table
	function string // the token before was this function: its arguments must follow
	operand  bool   // the token before was a value, so that * multiplies: elsewhere it would be all columns
}

func (p *parser) run() error {
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.start = p.at
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			p.at++
			continue
		}
		if p.in && c != '(' && c != '[' {
			return fmt.Errorf("a list of values in brackets must follow IN")
		}
		if p.function != "" && c != '(' {
			return fmt.Errorf("the arguments of %s must follow it in brackets", p.function)
		}
		if c == '*' && !p.operand {
			return fmt.Errorf("* is only a sign of multiplication")
		}
		p.operand = strings.IndexByte("([,=<>!+-*/%", c) < 0
		if err := p.token(c); err != nil {
			return err
		}
	}
	p.start = len(p.text)
	switch {
	case len(p.open) > 0:
		return fmt.Errorf("%d brackets are still open", len(p.open))
	case p.in:
		return fmt.Errorf("a list of values must follow IN")
	case p.function != "":
		return fmt.Errorf("the arguments of %s must follow it", p.function)
	}
	return nil
}

func (p *parser) token(c byte) error {
	switch {
	case c == '(' || c == '[':
		p.open = append(p.open, c)
		if p.in {
			p.literals = len(p.open)
		}
		p.in, p.function = false, ""
		p.at++
	case c == ')' || c == ']':
		n := len(p.open) - 1
		if n < 0 || (p.open[n] == '(') != (c == ')') {
			return fmt.Errorf("%c closes no bracket", c)
		}
		if p.literals == len(p.open) {
			p.literals = 0
		}
		p.open = p.open[:n]
		p.at++
	case c == '\'':
		return p.quoted()
	case c >= '0' && c <= '9':
		for p.at < len(p.text) && (p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at] == '.') {
			p.at++
		}
	case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return p.word()
	case strings.HasPrefix(p.text[p.at:], "--"), strings.HasPrefix(p.text[p.at:], "/*"):
		return fmt.Errorf("a comment is not allowed")
	case strings.IndexByte("=<>+-*/%,", c) >= 0:
		p.at++
	case strings.HasPrefix(p.text[p.at:], "!="):
		p.at += 2
	default:
		r, _ := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%q is not allowed", r)
		}
		return fmt.Errorf("%c is not allowed; texts stand in single quotes", r)
	}
	return nil
}

// quoted passes over a text. A quote in it is doubled; a backslash, which can be read in two ways, is not allowed.
func (p *parser) quoted() error {
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\' || c < ' ':
			return fmt.Errorf("backslashes and control characters are not allowed in texts")
		case c != '\'':
		case strings.HasPrefix(p.text[p.at:], "''"):
			p.at++
		default:
			p.at++
			return nil
		}
	}
	return fmt.Errorf("the text has no end")
}

func (p *parser) word() error {
	for p.at < len(p.text) && (p.text[p.at] == '_' || p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at]|0x20 >= 'a' && p.text[p.at]|0x20 <= 'z') {
		p.at++
	}
	word := p.text[p.start:p.at]
	lower := strings.ToLower(word)
	if p.literals > 0 {
		return fmt.Errorf("%s is not allowed in the list of an IN, which takes numbers and texts", word)
	}
	switch {
	case p.columns[word] != "":
	case slices.Contains(p.operators, lower):
		p.in = lower == "in"
	case slices.Contains(p.functions, lower):
		p.function = word
	default:
		return fmt.Errorf("%s is neither a column (%s), nor an operator, nor one of the functions %s", word, list(p.columns), strings.Join(p.functions, ", "))
	}
	return nil
}
