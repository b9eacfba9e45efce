package renewed_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

// What a file says is in force from the next question on; what cannot be used is told once, and what was said before stays.
func TestValue(t *testing.T) {
	mount := certstest.NewMount(t, map[string]string{"password": " one\n"})
	path := mount.Path("password")
	var told []string
	v, err := renewed.New("a.password_file", func(key string, err error) { told = append(told, fmt.Sprint(key, " ", err != nil)) },
		func() (string, error) { return renewed.Text("a.password_file", path, "other") }, path, "")
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string, wantVersion uint64, wantTold int) {
		t.Helper()
		for range 2 {
			if got, version := v.Get(); got != want || version != wantVersion || len(told) != wantTold {
				t.Fatalf("%q, version %d, told %q", got, version, told)
			}
		}
	}
	expect("one", 0, 0)
	mount.Put(map[string]string{"password": "two"})
	expect("two", 1, 1)
	mount.Put(map[string]string{"password": " \n"})
	expect("two", 1, 2)
	mount.Put(map[string]string{}) // it is gone
	expect("two", 1, 3)
	mount.Put(map[string]string{"password": "three"})
	expect("three", 2, 4)
	if err := os.WriteFile(path, []byte("in place"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("in place", 3, 5)
	if got := fmt.Sprint(told); got != "[a.password_file false a.password_file true a.password_file true a.password_file false a.password_file false]" {
		t.Error(got)
	}

	if _, err := renewed.New("k", nil, func() (int, error) { return 0, errors.New("no") }, path); err == nil {
		t.Error("what cannot be read at first is taken")
	}
	if text, err := renewed.Text("k", "", "other"); text != "other" || err != nil {
		t.Error(text, err)
	}
}
