package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads the file at path (none if empty), then the environment (as os.Environ gives it), then the files that hold secrets,
// and validates the whole. Every problem names its key and what it accepts.
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
	if err := c.overlay(environ); err != nil {
		return nil, err
	}
	if err := c.readSecrets(); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type config\.\S+`)

func (c *Config) parse(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(c)
	var wrong *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF): // an empty file
		return nil
	case errors.As(err, &wrong):
		for i, e := range wrong.Errors {
			wrong.Errors[i] = unknownField.ReplaceAllString(e, "there is no key $1 here (tillstream config print lists all)")
		}
		return errors.New(strings.Join(wrong.Errors, "; "))
	}
	return err
}

func (c *Config) overlay(environ []string) error {
	known := map[string]Key{}
	for _, k := range keys(c) {
		known[k.Env] = k
	}
	var problems []error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "TILLSTREAM_") {
			continue
		}
		if k, ok := known[name]; ok {
			if err := k.set(value); err != nil {
				problems = append(problems, fmt.Errorf("%s (%s): %w", name, k.Path, err))
			}
			continue
		}
		for _, section := range []string{"KAFKA_", "CLICKHOUSE_", "PROCESSOR_", "PRIVACY_", "LOG_"} {
			if strings.HasPrefix(name, "TILLSTREAM_"+section) {
				problems = append(problems, fmt.Errorf("%s: there is no such key (tillstream config print lists all)", name))
			}
		}
	}
	return errors.Join(problems...)
}

// readSecrets takes the secrets that are kept in files.
func (c *Config) readSecrets() error {
	var problems []error
	for _, s := range []struct {
		key, path string
		into      *Secret
	}{
		{"kafka.sasl.password_file", c.Kafka.SASL.PasswordFile, &c.Kafka.SASL.Password},
		{"clickhouse.password_file", c.ClickHouse.PasswordFile, &c.ClickHouse.Password},
		{"privacy.secret_file", c.Privacy.SecretFile, &c.Privacy.Secret},
	} {
		if s.path == "" {
			continue
		}
		text, err := os.ReadFile(s.path)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", s.key, err))
			continue
		}
		*s.into = Secret(bytes.TrimSpace(text))
	}
	return errors.Join(problems...)
}
