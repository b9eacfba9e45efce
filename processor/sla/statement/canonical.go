package statement

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Canonical is the document as JSON: keys sorted, no blanks. What [Hash] is of.
func (d *Document) Canonical() []byte { return canonical(d) }

// canonical writes JSON with sorted keys and without blanks. Of values that JSON can say: it cannot fail.
func canonical(v any) []byte {
	raw, err := json.Marshal(v)
	var tree any
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&tree)
	}
	var out bytes.Buffer
	if err == nil {
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		err = e.Encode(tree)
	}
	if err != nil {
		panic(fmt.Sprintf("statement: %T as JSON: %v", v, err))
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Hash is the SHA-256 of what was signed, as sha256:….
func Hash(signed []byte) string {
	sum := sha256.Sum256(signed)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Signed is a statement as it is kept and sent: the bytes that count, and their hash.
type Signed struct {
	Hash      string          `json:"hash"`
	Statement json.RawMessage `json:"statement"`
}

// Sign makes the canonical form of a document and its hash.
func Sign(d *Document) Signed {
	b := d.Canonical()
	return Signed{Hash(b), b}
}

// File is how a signed statement is written to a file: one line, {"hash":…,"statement":…}, with the signed bytes as they are.
func (s *Signed) File() []byte {
	return slices.Concat([]byte(`{"hash":"`+s.Hash+`","statement":`), s.Statement, []byte("}\n"))
}

// ReadFile reads what File wrote. Blanks and the order of keys do not count: a file may have been formatted since. The error says what is wrong with it.
func ReadFile(b []byte) (Signed, error) {
	var s Signed
	if err := strict(b, &s); err != nil {
		return s, fmt.Errorf("this is no statement: %w", err)
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(s.Statement))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return s, fmt.Errorf("this is no statement: %w", err)
	}
	s.Statement = canonical(tree)
	return s, nil
}

// Document reads what was signed. Whatever it does not know is an error: a hash covers all, and what nobody shows could say anything.
func (s *Signed) Document() (*Document, error) {
	d := &Document{}
	if err := strict(s.Statement, d); err != nil {
		return nil, fmt.Errorf("reading a statement: %w", err)
	}
	if d.Format != Format {
		return nil, fmt.Errorf("the statement is of format %q, this version of tillstream reads %s", d.Format, Format)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("reading a statement: %w", err)
	}
	d.localise()
	return d, nil
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("something follows after it")
	}
	return nil
}

// Digest is of rows: the SHA-256 of their canonical JSON, one a line, in order.
type Digest struct {
	Rows int    `json:"rows"`
	Hash string `json:"hash"`
}

func digestOf[T any](rows []T) Digest {
	h := sha256.New()
	for i := range rows {
		h.Write(canonical(&rows[i]))
		h.Write([]byte("\n"))
	}
	return Digest{len(rows), "sha256:" + hex.EncodeToString(h.Sum(nil))}
}
