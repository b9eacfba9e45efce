package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/processor/format/mapping"
)

const envPrefix = "TILLSTREAM_"

// Load reads the file at path (none if empty), then the environment (as os.Environ gives it), then the files that hold secrets,
// and validates the whole. The error holds every problem found, one a line, each with its key and what the key takes.
func Load(path string, environ []string) (*Config, error) {
	c := Default()
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := c.parse(text); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	if err := errors.Join(c.overlay(environ), c.readFiles()); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// parse takes a YAML document. It is strict: what it does not know, or finds twice, is an error.
func (c *Config) parse(text []byte) error {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file
		return nil
	case err != nil:
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("the file holds more than one YAML document; put all keys into one")
	}
	p := parser{leaves: map[string]Key{}, seen: map[string]bool{}}
	for _, k := range keys(c) {
		p.leaves[k.Path] = k
	}
	p.section(doc.Content[0], "")
	return errors.Join(p.problems...)
}

// parser sets the keys of a document and collects what is wrong with it.
type parser struct {
	leaves   map[string]Key
	seen     map[string]bool
	problems []error
}

func (p *parser) wrong(at *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("line %d: %w", at.Line, fmt.Errorf(format, args...)))
}

// section takes a mapping whose keys begin with prefix.
func (p *parser) section(n *yaml.Node, prefix string) {
	n = resolved(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" { // all of its keys are commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		p.wrong(n, "%s takes keys with values", name(prefix))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := prefix + key.Value
		leaf, isLeaf := p.leaves[path]
		switch {
		case p.seen[path]:
			p.wrong(key, "%s is given twice", path)
		case isLeaf:
			p.value(&leaf, resolved(value))
		case p.isSection(path):
			p.section(value, path+".")
		default:
			p.wrong(key, "there is no key %s; %s", path, p.advice(path))
		}
		p.seen[path] = true
	}
}

func (p *parser) value(k *Key, n *yaml.Node) {
	list, isList := k.value.Addr().Interface().(*[]string)
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		p.wrong(n, "%s has no value; give it one, or leave the key out", k.Path)
	case isList && n.Kind == yaml.SequenceNode:
		*list = nil
		for _, e := range n.Content {
			if e = resolved(e); e.Kind != yaml.ScalarNode {
				p.wrong(e, "%s takes a list of plain values", k.Path)
				return
			}
			*list = append(*list, e.Value)
		}
	case isList:
		p.wrong(n, "%s takes a list, as [a, b]", k.Path)
	case n.Kind != yaml.ScalarNode:
		p.wrong(n, "%s takes one value", k.Path)
	default:
		if err := k.set(n.Value); err != nil {
			p.wrong(n, "%s: %w", k.Path, err)
		}
	}
}

func (p *parser) isSection(path string) bool {
	for leaf := range p.leaves {
		if strings.HasPrefix(leaf, path+".") {
			return true
		}
	}
	return false
}

func (p *parser) advice(path string) string {
	var known []string
	for _, k := range Keys() {
		for i, c := range k.Path {
			if c == '.' {
				known = append(known, k.Path[:i]) // sections too
			}
		}
		known = append(known, k.Path)
	}
	if n := nearest(path, known, '.'); n != "" {
		return "did you mean " + n + "?"
	}
	return listsAll
}

const listsAll = "tillstream config print lists all"

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func name(prefix string) string {
	if prefix == "" {
		return "the file"
	}
	return strings.TrimSuffix(prefix, ".")
}

// serviceLink matches what Kubernetes puts into every pod's environment for a service called tillstream, or tillstream-kafka.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// overlay takes the variables that name keys. One that begins as a section does, or is a slip of the pen away from a key, is an error;
// others that begin with the prefix belong to somebody else.
func (c *Config) overlay(environ []string) error {
	known := map[string]Key{}
	var names, sections []string
	for _, k := range keys(c) {
		known[k.Env] = k
		names = append(names, k.Env)
		if section, _, ok := strings.Cut(k.Path, "."); ok {
			sections = append(sections, envPrefix+strings.ToUpper(section)+"_")
		}
	}
	var problems []error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if k, ok := known[name]; ok {
			if err := k.set(value); err != nil {
				problems = append(problems, fmt.Errorf("%s (%s): %w", name, k.Path, err))
			}
			continue
		}
		if serviceLink.MatchString(name) {
			continue
		}
		switch n := nearest(name, names, '_'); {
		case n != "":
			problems = append(problems, fmt.Errorf("%s: there is no such key; did you mean %s?", name, n))
		case slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(name, s) }):
			problems = append(problems, fmt.Errorf("%s: there is no such key; %s", name, listsAll))
		}
	}
	return errors.Join(problems...)
}

// readFiles takes the secrets that are kept in files, and sees that the other files that are named can be read.
func (c *Config) readFiles() error {
	var problems []error
	read := func(key, path string) (text []byte, ok bool) {
		if path == "" {
			return nil, false
		}
		text, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
		return text, err == nil
	}
	for _, s := range []struct {
		key, path string
		into      *Secret
	}{
		{"kafka.sasl.password_file", c.Kafka.SASL.PasswordFile, &c.Kafka.SASL.Password},
		{"kafka.sasl.oauth.client_secret_file", c.Kafka.SASL.OAuth.ClientSecretFile, &c.Kafka.SASL.OAuth.ClientSecret},
		{"clickhouse.password_file", c.ClickHouse.PasswordFile, &c.ClickHouse.Password},
		{"alerts.alertmanager.password_file", c.Alerts.Alertmanager.PasswordFile, &c.Alerts.Alertmanager.Password},
		{"alerts.alertmanager.token_file", c.Alerts.Alertmanager.TokenFile, &c.Alerts.Alertmanager.Token},
		{"formats.schema_registry.password_file", c.Formats.SchemaRegistry.PasswordFile, &c.Formats.SchemaRegistry.Password},
		{"formats.schema_registry.token_file", c.Formats.SchemaRegistry.TokenFile, &c.Formats.SchemaRegistry.Token},
		{"console.oidc.client_secret_file", c.Console.OIDC.ClientSecretFile, &c.Console.OIDC.ClientSecret},
		{"privacy.secret_file", c.Privacy.SecretFile, &c.Privacy.Secret},
	} {
		text, ok := read(s.key, s.path)
		text = bytes.TrimSpace(text)
		if ok && len(text) == 0 {
			problems = append(problems, fmt.Errorf("%s: %s is empty", s.key, s.path))
		} else if ok {
			*s.into = Secret(text)
		}
	}
	for _, m := range c.Formats.Mappings {
		topic, path, _ := strings.Cut(m, "=")
		if !topicName(topic) || path == "" || c.Formats.mappings[topic] != nil {
			problems = append(problems, fmt.Errorf("formats.mappings is %q; it takes topic=file, each topic once", m))
			continue
		}
		text, ok := read("formats.mappings", path)
		if !ok {
			continue
		}
		parsed, err := mapping.Parse(string(text))
		if err != nil {
			problems = append(problems, fmt.Errorf("formats.mappings: %s: %w", path, err))
			continue
		}
		if c.Formats.mappings == nil {
			c.Formats.mappings = map[string]*mapping.Mapping{}
		}
		c.Formats.mappings[topic] = parsed
	}
	read("kafka.sasl.oauth.token_file", c.Kafka.SASL.OAuth.TokenFile)
	for _, t := range c.TLSKeys() {
		read(t.Key+".ca_file", t.CAFile)
		read(t.Key+".cert_file", t.CertFile)
		read(t.Key+".key_file", t.KeyFile)
	}
	return errors.Join(problems...)
}

// WhenRenewed says who is told that files of certificates and secrets were read anew, since they had changed.
func (c *Config) WhenRenewed(tell func(key string, err error)) { c.renewed = tell }

// Renewed tells whom WhenRenewed named.
func (c *Config) Renewed(key string, err error) {
	if c.renewed != nil {
		c.renewed(key, err)
	}
}
