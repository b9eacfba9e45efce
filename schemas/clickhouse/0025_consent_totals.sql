-- How many lists of purposes a customer sent: a sum, so that the audit misses rows that are lost or doubled. Rows from before, and their batches, have none.
ALTER TABLE tillstream.customer_consent
  ADD COLUMN IF NOT EXISTS lists SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD);
