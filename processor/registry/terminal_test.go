package registry

import (
	"fmt"
	"strings"
	"testing"
)

// A terminal is found among few and among many.
func TestTerminal(t *testing.T) {
	for _, n := range []int{0, 1, few, few + 1, 300} {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"id":"t%d","lives":[{}],"versions":[{}]}`, i)
		}
		s, err := ReadState(fmt.Appendf(nil, `{"store_id":"s1","revision":1,"store":{"versions":[{"timezone":"UTC"}],"terminals":[%s]}}`, strings.Join(all, ",")))
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if x := s.Terminal(fmt.Sprint("t", i)); x != &s.Terminals[i] {
				t.Errorf("t%d of %d: %v", i, n, x)
			}
		}
		if x := s.Terminal(fmt.Sprint("t", n)); x != nil || s.Terminal("") != nil {
			t.Errorf("of %d: one that nobody registered: %v", n, x)
		}
	}
}
