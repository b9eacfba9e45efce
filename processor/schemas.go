package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/commit"
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

// unjudged is what a batch begins with: none, if there is somebody who says which are unknown.
func (l *lane) unjudged() commit.Unknown {
	if l.writers == nil {
		return nil
	}
	return commit.Unknown{}
}

// schemas finds schemas. What is unknown in the open batch stays so until it is closed, and is part of it. judged: all those are known before, since the batch is folded
// again.
func (l *lane) schemas(ctx context.Context, h *hand, judged bool) func(id int) (format.Schema, error) {
	if l.writers == nil {
		return nil
	}
	return func(id int) (format.Schema, error) {
		if h.judged.Has(id) {
			return format.Schema{}, format.ErrUnknownSchema
		}
		s, err := l.schema(ctx, h, id, judged)
		if errors.Is(err, format.ErrUnknownSchema) {
			h.judged = h.judged.With(id)
		}
		return s, err
	}
}

// errLost says that a batch cannot be folded again as it was.
var errLost = errors.New("the schema registry (formats.schema_registry.urls) has lost a schema that it had when this batch was begun; give it that schema back, under the same id")

// schema finds one. As long as the registry cannot be asked it waits, until ctx ends: a good record is never a dead letter for that. known says that there must be one, and
// that it is waited for, too.
func (l *lane) schema(ctx context.Context, h *hand, id int, known bool) (format.Schema, error) {
	said, before := h.unknown[id]
	if before && !known && l.now().Sub(said) < unknownFor {
		return format.Schema{}, format.ErrUnknownSchema
	}
	l.turn.leave() // others fold while this one waits
	growing, denied := pauses(), 0
	for {
		asking, cancel := context.WithTimeout(ctx, l.window())
		s, err := l.writers.Schema(asking, id)
		cancel()
		unknown := errors.Is(err, format.ErrUnknownSchema)
		if unknown {
			denied++ // that it could not be asked before says nothing
		}
		if unknown && !known && (denied == unknownTries || before || len(h.unknown) >= patientUnknowns) {
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
		case unknown && known:
			err = fmt.Errorf("%w: %d", errLost, id)
		}
		if !unknown || known {
			l.report.trouble(err)
		}
		if err := l.pause(ctx, growing, "schema not found yet, trying again", err, zap.Int("id", id)); err != nil {
			return s, err
		}
	}
}
