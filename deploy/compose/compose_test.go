// Package compose checks docker-compose.yml with the library that Docker Compose itself is made of.
package compose

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
)

func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join("..", "..", "docker-compose.yml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

var version = regexp.MustCompile(`^\d+\.\d+(\.\d+)*$`)

func TestServices(t *testing.T) {
	project := load(t)
	for _, name := range []string{"kafka", "clickhouse", "tillstream"} {
		s, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if s.Build == nil {
			if _, tag, _ := strings.Cut(s.Image, ":"); !version.MatchString(tag) {
				t.Errorf("%s is not pinned: %s", name, s.Image)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s offers port %s to the world", name, p.Published)
			}
		}
		for dependency, d := range s.DependsOn {
			if d.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s does not wait until %s is healthy", name, dependency)
			}
		}
	}
	if s, _ := project.GetService("tillstream"); len(s.DependsOn) != 2 {
		t.Errorf("tillstream depends on %v", s.DependsOn)
	}
	if s, _ := project.GetService("kafka"); s.Environment["KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE"] == nil || *s.Environment["KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE"] != "LogAppendTime" {
		t.Error("late events would be deleted by retention")
	}
}

// What the compose file tells tillstream is a complete, valid configuration.
func TestEnvironmentIsAConfiguration(t *testing.T) {
	s, err := load(t).GetService("tillstream")
	if err != nil {
		t.Fatal(err)
	}
	var known, environ []string
	for _, k := range config.Keys() {
		known = append(known, k.Env)
	}
	for name, value := range s.Environment {
		if value == nil {
			t.Fatalf("%s has no value", name)
		}
		if !slices.Contains(known, name) {
			t.Errorf("%s is not a key of the configuration", name)
		}
		environ = append(environ, name+"="+*value)
	}
	cfg, err := config.Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.RequireSecret(); err != nil {
		t.Error(err)
	}
	if len(cfg.Kafka.Brokers) != 1 || !strings.HasPrefix(cfg.Kafka.Brokers[0], "kafka:") || !strings.Contains(string(cfg.ClickHouse.DSN), "@clickhouse:9000") {
		t.Errorf("it points elsewhere: %v", cfg.Kafka.Brokers)
	}
}
