-- Evidence of hours that are long over is state of its own kind, past, which is not loaded when a lane starts.
--
-- The rows that end evidence, and past, go eight days after they were written (0011: after the hour that they are of). By then they have been merged with the row they
-- end, also where a table is made anew from old records. Rows from before this column count from when they are next merged.
ALTER TABLE tillstream.state ADD COLUMN IF NOT EXISTS written_at DateTime DEFAULT now() CODEC(DoubleDelta, ZSTD);

ALTER TABLE tillstream.state
  MODIFY TTL written_at + INTERVAL 8 DAY DELETE WHERE deleted = 1 AND (kind = 'evidence' OR kind = 'past')
  SETTINGS materialize_ttl_after_modify = 0;
