-- Evidence of hours that are long over is state of its own kind, past, which is not loaded when a lane starts. What 0011 says of the rows that end evidence holds of
-- those that end past ones.
ALTER TABLE tillstream.state
  MODIFY TTL toDateTime(3600 * toUInt32OrZero(splitByChar('\0', key)[3])) + INTERVAL 8 DAY DELETE WHERE deleted = 1 AND (kind = 'evidence' OR kind = 'past')
  SETTINGS materialize_ttl_after_modify = 0;
