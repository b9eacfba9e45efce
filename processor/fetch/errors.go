package fetch

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// errGone is of a partition that the cluster does not know. It may be about to learn of it.
var errGone = fmt.Errorf("%w; if the topic was deleted, make it anew with as many partitions as before, and the lane says how it goes on", kafka.UnknownTopicOrPartition)

// Stuck names the partition that an error is about, if it is one that cannot be read on from some offset. What comes before can, and other partitions.
func Stuck(err error) (TopicPartition, bool) {
	var (
		gone    *OffsetOutOfRangeError
		corrupt *CorruptError
		format  *UnsupportedFormatError
	)
	switch {
	case errors.As(err, &gone):
		return gone.TopicPartition, true
	case errors.As(err, &corrupt):
		return corrupt.TopicPartition, true
	case errors.As(err, &format):
		return format.TopicPartition, true
	}
	return TopicPartition{}, false
}

// OffsetOutOfRangeError says that Kafka does not hold the offset to go on from, and the caller must not skip to one that it holds.
type OffsetOutOfRangeError struct {
	TopicPartition
	Offset     int64 // asked for
	Start, End int64 // what the broker holds: [Start, End)
}

func (e *OffsetOutOfRangeError) Error() string {
	if e.Offset < e.Start {
		return fmt.Sprintf("offsets %d to %d of %s were deleted before they were read (Kafka holds %d to %d): give the topic a longer retention.ms or "+
			"retention.bytes, stop all members with SIGTERM and run tillstream adopt --topic %s --partition %d --offset earliest --reason TEXT, which goes on "+
			"with what is left and puts the loss on record", e.Offset, e.Start-1, e.TopicPartition, e.Start, e.End-1, e.Topic, e.Partition)
	}
	return fmt.Sprintf("offset %d of %s is beyond its end %d: if the topic was made anew, stop all members with SIGTERM and run "+
		"tillstream adopt --topic %s --offset earliest --recreated --reason TEXT; if its leader lost records (unclean election), "+
		"tillstream adopt --topic %s --partition %d --offset latest --recreated --reason TEXT",
		e.Offset, e.TopicPartition, e.End, e.Topic, e.Topic, e.Partition)
}

// CorruptError says that a batch is damaged in the log itself: it came damaged each time, or it is not what its checksum promises.
type CorruptError struct {
	TopicPartition
	Offset int64 // first offset that cannot be read
	Err    error // what is wrong
	After  int64 // the first offset behind the batch, where that is known
}

func (e *CorruptError) Error() string {
	after, which := "N", ", N being the first offset behind the damage"
	if e.After > 0 {
		after, which = strconv.FormatInt(e.After, 10), ", which puts it on record as lost"
	}
	return fmt.Sprintf("the record batch at offset %d of %s is damaged: %v; nothing was skipped. Compare it with the other replicas "+
		"(kafka-dump-log --deep-iteration), move the leadership to a sound one (kafka-leader-election) and start again. If none is sound, stop all members with SIGTERM and run "+
		"tillstream adopt --topic %s --partition %d --offset %s --reason TEXT%s", e.Offset, e.TopicPartition, e.Err, e.Topic, e.Partition, after, which)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// UnsupportedFormatError says that a topic holds something that this program cannot read.
type UnsupportedFormatError struct {
	TopicPartition
	Offset int64 // first offset that cannot be read
	Err    error
}

func (e *UnsupportedFormatError) Error() string {
	return fmt.Sprintf("offset %d of %s cannot be read: %v; record batches of format 2 (Kafka 0.11 and newer) are needed: copy the topic to a new one, "+
		"for example with MirrorMaker, and name that one in kafka.topics", e.Offset, e.TopicPartition, e.Err)
}

func (e *UnsupportedFormatError) Unwrap() error { return e.Err }

// UnauthorizedError says that Kafka refuses the topic to this user.
type UnauthorizedError struct {
	TopicPartition
	Err error
}

func (e *UnauthorizedError) Error() string {
	return fmt.Sprintf("reading %s is not allowed: %v; grant the user of kafka.sasl the operations Read and Describe on topic %s",
		e.TopicPartition, e.Err, e.Topic)
}

func (e *UnauthorizedError) Unwrap() error { return e.Err }
