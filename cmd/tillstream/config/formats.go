package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/format"
)

// TopicFormats are Topics, read. Those that are wrong are in problems.
func (f *Formats) TopicFormats() (byTopic map[string]format.Format, problems []error) {
	for _, s := range f.Topics {
		topic, is, _ := strings.Cut(s, "=")
		switch {
		case !topicName(topic) || !slices.Contains(format.Formats(), is):
			problems = append(problems, fmt.Errorf("formats.topics is %q; it takes topic=%s", s, strings.Join(format.Formats(), " or topic=")))
		case byTopic[topic] != "":
			problems = append(problems, fmt.Errorf("formats.topics is %q; it takes each topic once", f.Topics))
		default:
			if byTopic == nil {
				byTopic = map[string]format.Format{}
			}
			byTopic[topic] = format.Format(is)
		}
	}
	return byTopic, problems
}

func (f *Formats) validate(topics []string) []error {
	byTopic, problems := f.TopicFormats()
	for topic := range byTopic {
		if !slices.Contains(topics, topic) {
			problems = append(problems, fmt.Errorf("formats.topics names %q; it takes topics of kafka.topics", topic))
		}
	}
	r := &f.SchemaRegistry
	for _, u := range r.URLs {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.User != nil || p.Scheme != "http" && p.Scheme != "https" {
			problems = append(problems, fmt.Errorf("formats.schema_registry.urls is another thing; it takes http(s)://host:port, without a password"))
		}
	}
	if r.Username != "" && r.Token != "" {
		problems = append(problems, fmt.Errorf("formats.schema_registry is given both; it takes either username and password, or token"))
	}
	if len(r.URLs) == 0 && (r.Username != "" || r.Token != "" || r.TLS.Enabled) {
		problems = append(problems, fmt.Errorf("formats.schema_registry.urls is empty; it takes http(s)://host:port where another key of formats.schema_registry is set"))
	}
	return problems
}
