package manifest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Change is what becomes of one object.
type Change struct {
	Key
	Old, New *Object // nil: it is added, removed
	Fields   []FieldChange
}

// FieldChange is what becomes of one value; "" is none.
type FieldChange struct{ Path, Old, New string }

// Diff says what is to change so that old becomes new, by kind and name.
func Diff(old, new Set) ([]Change, error) {
	keys := map[Key]bool{}
	for k := range old {
		keys[k] = true
	}
	for k := range new {
		keys[k] = true
	}
	var changes []Change
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		c := Change{Key: k, Old: old[k], New: new[k]}
		was, err := flat(c.Old)
		if err != nil {
			return nil, err
		}
		is, err := flat(c.New)
		if err != nil {
			return nil, err
		}
		for path := range was {
			if was[path] != is[path] {
				c.Fields = append(c.Fields, FieldChange{path, was[path], is[path]})
			}
		}
		for path := range is {
			if _, known := was[path]; !known {
				c.Fields = append(c.Fields, FieldChange{path, "", is[path]})
			}
		}
		if len(c.Fields) > 0 || c.Old == nil || c.New == nil {
			slices.SortFunc(c.Fields, func(a, b FieldChange) int { return comparePaths(a.Path, b.Path) })
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// flat is an object as values by path.
func flat(o *Object) (map[string]string, error) {
	out := map[string]string{}
	if o == nil {
		return out, nil
	}
	text, err := o.Document()
	if err != nil {
		return nil, err
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.Key(), err)
	}
	flatten(v, "", out)
	delete(out, "metadata.name")
	return out, nil
}

func flatten(v any, path string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(x, child(path, k), into)
		}
	case []any:
		plain := true
		for _, x := range v {
			_, isMap := x.(map[string]any)
			plain = plain && !isMap
		}
		if plain {
			into[path] = fmt.Sprint(v)
			return
		}
		for i, x := range v {
			flatten(x, fmt.Sprintf("%s[%d]", path, i), into)
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}

// comparePaths puts versions[2] before versions[10].
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			if x, y := digits(a[i:]), digits(b[i:]); x != y {
				return x - y
			}
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

func digits(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Print writes changes for people.
func Print(w io.Writer, changes []Change) error {
	counts := map[string]int{}
	for _, c := range changes {
		sign, what := "~", "changed"
		switch {
		case c.Old == nil:
			sign, what = "+", "added"
		case c.New == nil:
			sign, what = "-", "removed"
		}
		counts[what]++
		if _, err := fmt.Fprintf(w, "%s %s\n", sign, c.Key); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		for _, f := range c.Fields {
			switch {
			case what == "removed":
			case f.Old == "":
				fmt.Fprintf(w, "    + %s: %s\n", f.Path, f.New)
			case f.New == "":
				fmt.Fprintf(w, "    - %s: %s\n", f.Path, f.Old)
			default:
				fmt.Fprintf(w, "    ~ %s: %s -> %s\n", f.Path, f.Old, f.New)
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d added, %d changed, %d removed\n", counts["added"], counts["changed"], counts["removed"])
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
