package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever is written is either explained or comes to texts, which are the same when it is kept.
func FuzzRead(f *testing.F) {
	f.Add([]byte(right))
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, problems := Read("a.yaml", text)
		set := setOf(objects)
		err := set.Check()
		if len(problems) > 0 || err != nil {
			return
		}
		kept := Set{}
		for k, o := range set {
			doc, err := o.Document()
			if err != nil {
				t.Fatal(err)
			}
			if kept[k], err = Parse(k.Kind, doc); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(texts(t, set), texts(t, kept)); d != "" {
			t.Errorf("(-read +kept):\n%s", d)
		}
	})
}
