package processor

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/format"
)

// Schemas knows the schemas that records were written with, by the ids in them.
type Schemas interface {
	// Schema gives a schema; format.ErrUnknownSchema if there is none. It does not retry.
	Schema(ctx context.Context, id int) (format.Schema, error)
}

const (
	// unknownTries is how often it is asked whether an id is unknown: nodes of a registry learn of a schema one after the other.
	unknownTries = 4
	// patientUnknowns is of how many ids that proved unknown this is done: whoever makes up ids does not hold up others.
	patientUnknowns = 8
	// unknownFor is for how long its word holds: the registry may be mended.
	unknownFor = time.Minute
	// maxUnknown bounds the ids that are remembered.
	maxUnknown = 1000
)

// schemas finds schemas. As long as the registry cannot be asked it waits, until ctx ends: a good record is never a dead letter for that.
func (l *lane) schemas(ctx context.Context, h *hand) func(id int) (format.Schema, error) {
	if l.writers == nil {
		return nil
	}
	return func(id int) (format.Schema, error) {
		said, before := h.unknown[id]
		if before && l.now().Sub(said) < unknownFor {
			return format.Schema{}, format.ErrUnknownSchema
		}
		growing, tries := pauses(), 0
		for {
			asking, cancel := context.WithTimeout(ctx, l.window())
			s, err := l.writers.Schema(asking, id)
			cancel()
			unknown := errors.Is(err, format.ErrUnknownSchema)
			if tries++; unknown && (tries == unknownTries || before || len(h.unknown) >= patientUnknowns) {
				if h.unknown == nil || len(h.unknown) >= maxUnknown {
					h.unknown = map[int]time.Time{}
				}
				h.unknown[id] = l.now()
				return s, err
			}
			switch {
			case err == nil:
				return s, nil
			case ctx.Err() != nil:
				return s, ctx.Err()
			}
			if !unknown {
				l.report.trouble(err)
			}
			if err := l.pause(ctx, growing, "schema not found yet, trying again", err, zap.Int("id", id)); err != nil {
				return s, err
			}
		}
	}
}
