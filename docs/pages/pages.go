// Package pages makes pages of the documentation: HTML that needs nothing from elsewhere, in a folder or served beside the console.
package pages

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"github.com/tillstream/tillstream/internal/look"
)

// Index is the text from which the navigation is made: its headings of level two are the kinds, the texts to which it links are sorted into them.
const Index = "README.md"

// repository is where links to files outside of the texts lead.
const repository = "https://github.com/tillstream/tillstream/blob/"

//go:embed page.html style.css site.js
var own embed.FS

var (
	headless = regexp.MustCompile(`<thead>\s*<tr>\s*(<th></th>\s*)+</tr>\s*</thead>\s*`)
	release  = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)$`)
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// page is one text.
type page struct {
	source   string // path among the texts
	Title    string
	Headings []heading // of level two
	doc      ast.Node
	text     []byte
	sections []section
}

type heading struct{ ID, Text string }

// section is what the search finds.
type section struct {
	URL   string `json:"url"`
	Page  string `json:"page"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// kind is one part of the navigation.
type kind struct {
	Title string
	Pages []*page
}

// URL is where the page is, from the root of the site.
func (p *page) URL() string { return address(p.source) }

func address(source string) string {
	if source == Index {
		return "index.html"
	}
	return strings.TrimSuffix(source, ".md") + ".html"
}

// Render gives the files of the site by their paths: a page for each Markdown text, the other files as they are, and what pages load. Version is
// shown, and a release's links to the repository lead to its own files.
func Render(texts fs.FS, version string) (map[string][]byte, error) {
	branch := "main"
	if m := release.FindStringSubmatch(version); m != nil {
		branch = "v" + m[1]
	}
	var (
		files    = map[string][]byte{}
		pages    = map[string]*page{}
		sections = []section{}
	)
	err := fs.WalkDir(texts, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(texts, name)
		switch {
		case err != nil:
			return err
		case path.Ext(name) != ".md":
			files[name] = content
			return nil
		}
		p := read(name, content, branch)
		pages[name] = p
		sections = append(sections, p.sections...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the documentation: %w", err)
	}
	index, ok := pages[Index]
	if !ok {
		return nil, fmt.Errorf("the documentation has no %s", Index)
	}
	layout, err := template.ParseFS(own, "page.html")
	if err != nil {
		return nil, err
	}
	kinds, renderer := navigation(index, pages), markdown().Renderer()
	for _, p := range pages {
		var body, out bytes.Buffer
		if err := renderer.Render(&body, p.text, p.doc); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", p.source, err)
		}
		if err := layout.Execute(&out, map[string]any{
			"Page": p, "Kinds": kinds, "Body": template.HTML(reachable(body.String())), "Version": version, "Root": strings.Repeat("../", strings.Count(p.source, "/")),
		}); err != nil {
			return nil, fmt.Errorf("laying out %s: %w", p.source, err)
		}
		files[p.URL()] = out.Bytes()
	}
	found, err := json.Marshal(sections)
	if err != nil {
		return nil, err
	}
	// A script, not JSON: pages that are opened from a folder may not fetch.
	files["search.js"] = append(append([]byte("searchable("), found...), ");\n"...)
	for _, name := range []string{"style.css", "site.js"} {
		if files[name], err = own.ReadFile(name); err != nil {
			return nil, err
		}
	}
	files["style.css"], files["icon.svg"] = slices.Concat(look.Colours, files["style.css"]), look.Icon
	return files, nil
}

func markdown() goldmark.Markdown {
	return goldmark.New(
		// The policy of the console allows no style attributes.
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	)
}

// parse names headings as GitHub does, so that one link serves both.
func parse(content []byte) ast.Node {
	return markdown().Parser().Parse(text.NewReader(content), parser.WithContext(parser.NewContext(parser.WithIDs(slugs{}))))
}

// reachable lets the keyboard scroll what is wide, and leaves out what reads as a heading and is none.
func reachable(body string) string {
	return strings.NewReplacer("<pre>", `<pre tabindex="0">`, "<table>", `<table tabindex="0">`, "<th></th>", "<td></td>").Replace(headless.ReplaceAllString(body, ""))
}

// read parses a text and has its links lead to pages.
func read(source string, content []byte, branch string) *page {
	p := &page{source: source, text: content, doc: parse(content)}
	var words strings.Builder
	flush := func() {
		if n := len(p.sections); n > 0 {
			p.sections[n-1].Text = strings.Join(strings.Fields(words.String()), " ")
		}
		words.Reset()
	}
	_ = ast.Walk(p.doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				words.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			flush()
			title := plain(n, content)
			id, _ := n.AttributeString("id")
			anchor := fmt.Sprintf("%s", id)
			switch n.Level {
			case 1:
				p.Title, anchor = title, ""
			case 2:
				p.Headings = append(p.Headings, heading{anchor, title})
			}
			at := p.URL()
			if anchor != "" {
				at += "#" + anchor
			}
			p.sections = append(p.sections, section{URL: at, Page: p.Title, Title: title})
			return ast.WalkContinue, nil
		case *ast.Link:
			n.Destination = []byte(follow(source, string(n.Destination), branch))
		case *ast.Text:
			words.Write(n.Segment.Value(content))
			if n.SoftLineBreak() || n.HardLineBreak() {
				words.WriteByte(' ')
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			words.Write(n.Lines().Value(content))
		}
		return ast.WalkContinue, nil
	})
	flush()
	for n := p.doc.FirstChild(); n != nil; { // notes to those who write
		next := n.NextSibling()
		if h, ok := n.(*ast.HTMLBlock); ok && h.HTMLBlockType == ast.HTMLBlockType2 {
			p.doc.RemoveChild(p.doc, h)
		}
		n = next
	}
	return p
}

func plain(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			out.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// follow is where a link of a text leads from its page.
func follow(source, link, branch string) string {
	to, anchor, anchored := strings.Cut(link, "#")
	if to == "" || strings.Contains(to, ":") {
		return link
	}
	at := path.Join("docs", path.Dir(source), to) // from the root of the repository
	switch {
	case !strings.HasPrefix(at, "docs/"):
		to = repository + branch + "/" + at
	case path.Ext(to) == ".md":
		to = path.Join(path.Dir(to), address(path.Base(to)))
	}
	if anchored {
		to += "#" + anchor
	}
	return to
}

// navigation sorts the pages as the index does.
func navigation(index *page, pages map[string]*page) []kind {
	var out []kind
	_ = ast.Walk(index.doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				out = append(out, kind{Title: plain(n, index.text)})
			}
		case *ast.Link:
			to, _, _ := strings.Cut(string(n.Destination), "#")
			if p, ok := pages[strings.TrimSuffix(to, ".html")+".md"]; ok && len(out) > 0 {
				k := &out[len(out)-1]
				k.Pages = append(k.Pages, p)
			}
		}
		return ast.WalkContinue, nil
	})
	return out
}

// slugs names headings as GitHub does.
type slugs map[string]int

func (s slugs) Generate(value []byte, _ ast.NodeKind) []byte {
	slug := strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(string(value)), ""), " ", "-")
	n := s[slug]
	s[slug]++
	if n > 0 {
		slug = fmt.Sprintf("%s-%d", slug, n)
	}
	return []byte(slug)
}

func (s slugs) Put(value []byte) { s[string(value)]++ }
