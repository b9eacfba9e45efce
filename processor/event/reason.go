package event

import "fmt"

// Reason is why an event cannot be folded. The list is closed: alerts and dashboards depend on it.
type Reason string

// The reasons.
const (
	ReasonEmpty                 Reason = "empty"                  // no value at all
	ReasonTooLarge              Reason = "too_large"              // more bytes than processor.max_event_bytes
	ReasonInvalidUTF8           Reason = "invalid_utf8"           // not UTF-8
	ReasonMalformed             Reason = "malformed_json"         // not one JSON object
	ReasonWrongType             Reason = "wrong_type"             // a field has another JSON type than it should
	ReasonMissingField          Reason = "missing_field"          // a required field is not there
	ReasonInvalidValue          Reason = "invalid_value"          // right type, impossible value
	ReasonOutOfRange            Reason = "out_of_range"           // a number too large to be true, or to be held
	ReasonContradiction         Reason = "contradiction"          // the attributes of a CloudEvent say another thing than the event in it
	ReasonMalformedAvro         Reason = "malformed_avro"         // not one event in Avro
	ReasonMalformedProtobuf     Reason = "malformed_protobuf"     // not one event in Protobuf
	ReasonUnknownSchema         Reason = "unknown_schema"         // written with a schema that the schema registry does not have
	ReasonUnusableSchema        Reason = "unusable_schema"        // written with a schema that is none of a canonical event
	ReasonMappingFailed         Reason = "mapping_failed"         // the mapping of its topic makes no event of it
	ReasonUnknownType           Reason = "unknown_type"           // an event type that this version does not know
	ReasonFuture                Reason = "future"                 // more than 10 min after Kafka got it
	ReasonTooOld                Reason = "too_old"                // before the year 2000
	ReasonTooLate               Reason = "too_late"               // older than processor.max_lateness when Kafka got it
	ReasonSequenceForgotten     Reason = "sequence_forgotten"     // below what is remembered of the terminal's numbers
	ReasonCorrectionUnsupported Reason = "correction_unsupported" // corrects in what is no transaction, or processor.correction_window is 0
	ReasonCorrectionTooLate     Reason = "correction_too_late"    // what it corrects is not kept, and may have been folded
	ReasonCorrectionLimit       Reason = "correction_limit"       // more corrections than are remembered
)

// Reasons is the closed list.
func Reasons() []Reason {
	return []Reason{
		ReasonEmpty, ReasonTooLarge, ReasonInvalidUTF8, ReasonMalformed, ReasonWrongType, ReasonMissingField, ReasonInvalidValue, ReasonOutOfRange,
		ReasonContradiction, ReasonMalformedAvro, ReasonMalformedProtobuf, ReasonUnknownSchema, ReasonUnusableSchema, ReasonMappingFailed,
		ReasonUnknownType, ReasonFuture, ReasonTooOld, ReasonTooLate, ReasonSequenceForgotten, ReasonCorrectionUnsupported,
		ReasonCorrectionTooLate, ReasonCorrectionLimit,
	}
}

// Rejection says why an event cannot be folded, where, and what would have been accepted.
type Rejection struct {
	Reason   Reason
	Field    string // as lines[2].gross; "" if it is the event as a whole
	Expected string
}

func (r *Rejection) Error() string {
	if r.Field == "" {
		return fmt.Sprintf("%s: expected %s", r.Reason, r.Expected)
	}
	return fmt.Sprintf("%s: %s: expected %s", r.Reason, r.Field, r.Expected)
}
