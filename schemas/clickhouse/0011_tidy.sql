-- Of evidence that is not kept any more the state has a row that says so, one an hour of every terminal: they would be more than all that is remembered after two
-- days. They go eight days after their hour, once a day; long before that they have been merged with the row they end. Where they have not, that row comes back,
-- which does no harm: what is older than a terminal's window is left out when its state is read.
ALTER TABLE tillstream.state MODIFY SETTING merge_with_ttl_timeout = 86400;

ALTER TABLE tillstream.state
  MODIFY TTL toDateTime(3600 * toUInt32OrZero(splitByChar('\0', key)[3])) + INTERVAL 8 DAY DELETE WHERE deleted = 1 AND kind = 'evidence'
  SETTINGS materialize_ttl_after_modify = 0;
