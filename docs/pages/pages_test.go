package pages

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/zap"
	"golang.org/x/net/html"

	"github.com/tillstream/tillstream/docs"
)

var root = filepath.Join("..", "..")

// element is a start tag.
type element struct {
	tag   string
	attrs map[string]string
}

// elements reads a page strictly: every tag is closed in the order in which it was opened, no id is there twice.
func elements(t *testing.T, name string, page []byte) (all []element, ids []string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("%s: %v, open at its end: %v", name, z.Err(), open)
			}
			return all, ids
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			e := element{token.Data, map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Key] = a.Val
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: the policy of the console forbids %s", name, token)
				}
			}
			all = append(all, e)
			if id := e.attrs["id"]; id != "" {
				if slices.Contains(ids, id) {
					t.Errorf("%s: id %s is there twice", name, id)
				}
				ids = append(ids, id)
			}
			if !slices.Contains([]string{"meta", "link", "img", "input", "br", "hr"}, e.tag) {
				open = append(open, e.tag)
			}
		case html.EndTagToken:
			tag := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("%s: </%s> closes %v", name, tag, open)
			}
			open = open[:len(open)-1]
		case html.CommentToken:
			t.Errorf("%s: %s: HTML in a text is not rendered", name, z.Token())
		}
	}
}

func TestPages(t *testing.T) {
	files, err := Render(docs.Texts, "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	ids, of := map[string][]string{}, map[string][]element{}
	for name, content := range files {
		if contentType(name) == "application/octet-stream" {
			t.Errorf("what %s is does not say its name", name)
		}
		if path.Ext(name) == ".html" {
			of[name], ids[name] = elements(t, name, content)
		}
	}
	var sources []string
	err = fs.WalkDir(docs.Texts, ".", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			sources = append(sources, name)
		}
		return err
	})
	if err != nil || len(sources) < 30 || len(of) != len(sources) {
		t.Errorf("%d pages of %d texts: %v", len(of), len(sources), err)
	}
	searched := string(files["search.js"])
	for _, source := range sources {
		name := address(source)
		current, headings := 0, 0
		for _, e := range of[name] {
			if e.tag == "h1" {
				headings++
			}
			if e.attrs["aria-current"] == "page" {
				current++
			}
			for _, key := range []string{"href", "src"} {
				if to, ok := e.attrs[key]; ok {
					leads(t, files, ids, name, e.tag, to)
				}
			}
		}
		if headings != 1 {
			t.Errorf("%s has %d headings of level one", name, headings)
		}
		if want := map[bool]int{false: 1}[source == Index]; current != want {
			t.Errorf("the navigation names %s %d times, want %d: sort it into docs/README.md", name, current, want)
		}
		if !strings.Contains(searched, `{"url":"`+name+`"`) {
			t.Errorf("the search does not find %s", name)
		}
	}
}

// leads looks whether a page's link has a target: in the site, or in the repository. What pages load is in the site.
func leads(t *testing.T, files map[string][]byte, ids map[string][]string, name, tag, to string) {
	t.Helper()
	if file, ok := strings.CutPrefix(to, repository+"v1.2.3/"); ok {
		file, _, _ = strings.Cut(file, "#")
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil || tag != "a" {
			t.Errorf("%s: <%s> leads to %s: %v", name, tag, to, err)
		}
		return
	}
	if strings.Contains(to, ":") {
		if tag != "a" || !strings.HasPrefix(to, "https://") && !strings.HasPrefix(to, "http://127.0.0.1:") {
			t.Errorf("%s: <%s> is of %s", name, tag, to)
		}
		return
	}
	file, anchor, anchored := strings.Cut(to, "#")
	at := name
	if file != "" {
		at = path.Join(path.Dir(name), file)
	}
	if _, ok := files[at]; !ok {
		t.Errorf("%s: <%s> leads to %s, which is not there", name, tag, to)
	} else if anchored && !slices.Contains(ids[at], anchor) {
		t.Errorf("%s leads to %s: there is no such heading", name, to)
	}
}

// Every relative link of every text of the repository leads to a file, and to a heading in it; and so does every text that code, errors and alerts name.
func TestLinksOfTheRepository(t *testing.T) {
	named := regexp.MustCompile(`\bdocs/((?:adr/)?[\w-]+\.md)(?:#([\w-]+))?`)
	anchors := map[string][]string{} // by path from the root
	headings := func(file string) []string {
		if _, ok := anchors[file]; !ok {
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
			if err != nil {
				return nil
			}
			anchors[file] = append(render(t, file, text, "id"), "")
		}
		return anchors[file]
	}
	texts := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "node_modules", "target", "tillstream-data", "testdata"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch path.Ext(rel) {
		case ".md", ".go", ".yaml", ".yml", ".sql", ".tpl", ".html", ".txt":
		default:
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if path.Ext(rel) != ".md" {
			for _, m := range named.FindAllSubmatch(text, -1) {
				if to := "docs/" + string(m[1]); !slices.Contains(headings(to), string(m[2])) && !strings.HasSuffix(rel, "_test.go") {
					t.Errorf("%s names %s, which is not there", rel, m[0])
				}
			}
			return nil
		}
		texts++
		for _, link := range append(render(t, rel, text, "href"), render(t, rel, text, "src")...) {
			to, anchor, _ := strings.Cut(link, "#")
			if strings.Contains(to, ":") {
				continue
			}
			at := rel
			if to != "" {
				at = path.Join(path.Dir(rel), to)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(at))); err != nil {
				t.Errorf("%s leads to %s, which is not there", rel, link)
			} else if path.Ext(at) == ".md" && !slices.Contains(headings(at), anchor) {
				t.Errorf("%s leads to %s: there is no such heading", rel, link)
			}
		}
		return nil
	})
	if err != nil || texts < 40 {
		t.Errorf("%d texts: %v", texts, err)
	}
}

// render gives the values of an attribute in what becomes of a text.
func render(t *testing.T, name string, text []byte, attribute string) (out []string) {
	t.Helper()
	var body bytes.Buffer
	if err := markdown().Renderer().Render(&body, text, parse(text)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for z := html.NewTokenizer(&body); z.Next() != html.ErrorToken; {
		for _, a := range z.Token().Attr {
			if a.Key == attribute {
				out = append(out, a.Val)
			}
		}
	}
	return out
}

func TestHandler(t *testing.T) {
	h := http.StripPrefix("/d/", Handler(fstest.MapFS{Index: {Data: []byte("# A <b>\n\n## B\n\n[c](c.md#d)")}, "c.md": {Data: []byte("# C\n\n## D")}}, "", zap.NewNop()))
	for at, want := range map[string]struct {
		status     int
		kind, says string
	}{
		"/d/":           {200, "text/html; charset=utf-8", `<h1 id="a-b">A`},
		"/d/index.html": {200, "text/html; charset=utf-8", `<a href="c.html#d">c</a>`},
		"/d/style.css":  {200, "text/css; charset=utf-8", "color-scheme"},
		"/d/site.js":    {200, "text/javascript; charset=utf-8", "searchable"},
		"/d/c.md":       {404, "text/plain; charset=utf-8", "index.html leads to all"},
		"/d/../e.html":  {404, "text/plain; charset=utf-8", "there is no such page"},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, at, nil))
		if rec.Code != want.status || rec.Header().Get("Content-Type") != want.kind || !strings.Contains(rec.Body.String(), want.says) {
			t.Errorf("%s: %d %s\n%s", at, rec.Code, rec.Header(), rec.Body)
		}
	}
}
