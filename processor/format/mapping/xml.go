package mapping

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/benthosdev/benthos/v4/public/bloblang"
)

// maxXMLDepth bounds how deep elements are nested.
const maxXMLDepth = 200

// parseXML makes the method parse_xml.
func parseXML(args *bloblang.ParsedParams) (bloblang.Method, error) {
	lists := map[string]bool{}
	if given, err := args.Get("lists"); err == nil && given != nil {
		names, ok := given.([]any)
		if !ok {
			return nil, errors.New("parse_xml takes a list of names of elements")
		}
		for _, n := range names {
			name, ok := n.(string)
			if !ok {
				return nil, errors.New("parse_xml takes a list of names of elements")
			}
			lists[name] = true
		}
	}
	return bloblang.StringMethod(func(text string) (any, error) {
		d := xml.NewDecoder(strings.NewReader(text))
		root := map[string]any{}
		for {
			t, err := d.Token()
			switch start, ok := t.(xml.StartElement); {
			case errors.Is(err, io.EOF) && len(root) > 0:
				return root, nil
			case err != nil:
				return nil, errors.New("no XML")
			case ok:
				v, err := element(d, start, lists, 0)
				if err != nil {
					return nil, err
				}
				root[start.Name.Local] = v
			}
		}
	}), nil
}

// element reads one element to its end.
func element(d *xml.Decoder, start xml.StartElement, lists map[string]bool, depth int) (any, error) {
	if depth == maxXMLDepth {
		return nil, fmt.Errorf("XML is nested deeper than %d", maxXMLDepth)
	}
	out := map[string]any{}
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			out["-"+a.Name.Local] = a.Value
		}
	}
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("XML that ends too soon, or is none")
		}
		switch t := t.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			name := t.Name.Local
			v, err := element(d, t, lists, depth+1)
			if err != nil {
				return nil, err
			}
			switch before, again := out[name]; {
			case lists[name] && !again:
				out[name] = []any{v}
			case again:
				all, ok := before.([]any)
				if !ok {
					all = []any{before}
				}
				out[name] = append(all, v)
			default:
				out[name] = v
			}
		case xml.EndElement:
			trimmed := strings.TrimSpace(text.String())
			if len(out) == 0 {
				return trimmed, nil
			}
			if trimmed != "" {
				out["#text"] = trimmed
			}
			return out, nil
		}
	}
}
