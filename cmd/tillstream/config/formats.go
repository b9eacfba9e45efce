package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/mapping"
	"github.com/tillstream/tillstream/processor/registry"
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

// Mapping is that of a topic; nil if it has none.
func (f *Formats) Mapping(topic string) *mapping.Mapping { return f.mappings[topic] }

// MappedTopics are the topics that have a mapping, sorted.
func (f *Formats) MappedTopics() []string { return slices.Sorted(maps.Keys(f.mappings)) }

func (f *Formats) validate(topics []string) []error {
	byTopic, problems := f.TopicFormats()
	for topic := range byTopic {
		if !slices.Contains(topics, topic) {
			problems = append(problems, fmt.Errorf("formats.topics names %q; it takes topics of kafka.topics", topic))
		}
	}
	for _, topic := range f.MappedTopics() {
		if topic == registry.Topic {
			problems = append(problems, fmt.Errorf("formats.mappings names %s, which has what tillstream apply sends; it takes other topics", topic))
		}
		if !slices.Contains(topics, topic) {
			problems = append(problems, fmt.Errorf("formats.mappings names %q; it takes topics of kafka.topics", topic))
		}
	}
	r := &f.SchemaRegistry
	for _, u := range r.URLs {
		if p := httpURL(u); p == nil || p.User != nil {
			problems = append(problems, fmt.Errorf("formats.schema_registry.urls is another thing; it takes http(s)://host:port, without a password"))
		}
	}
	problems = append(problems, r.validate("formats.schema_registry")...)
	if len(r.URLs) == 0 && (r.Username != "" || r.Token != "" || r.TLS.Enabled) {
		problems = append(problems, fmt.Errorf("formats.schema_registry.urls is empty; it takes http(s)://host:port where another key of formats.schema_registry is set"))
	}
	return problems
}
