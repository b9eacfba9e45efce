package main

import (
	"context"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/schemaregistry"
)

// openSchemas makes the client of the schema registry; nil if there is none.
func openSchemas(cfg *config.Config) (processor.Schemas, error) {
	r := &cfg.Formats.SchemaRegistry
	if len(r.URLs) == 0 {
		return nil, nil
	}
	client, err := schemaregistry.New(schemaregistry.Config{
		URLs: append([]string(nil), r.URLs...), Login: httpLogin(&r.HTTPLogin), Renewed: cfg.Renewed,
	})
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// decoder reads records as the processor of this configuration does, but does not wait for a schema registry.
func (s *source) decoder(ctx context.Context) *format.Decoder {
	p := processorConfig(s.cfg)
	d := format.NewDecoder(p.FormatOptions())
	if s.schemas != nil {
		d.Find(func(id int) (format.Schema, error) { return s.schemas.Schema(ctx, id) })
	}
	return d
}

func mappers(f *config.Formats) map[string]format.Mapper {
	topics := f.MappedTopics()
	all := make(map[string]format.Mapper, len(topics))
	for _, t := range topics {
		all[t] = f.Mapping(t)
	}
	return all
}
