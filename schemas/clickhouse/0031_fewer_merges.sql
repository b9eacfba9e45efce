-- Transactions are merged in wider steps: each merge weaves them anew, since their key is a hash, and nobody reads them with FINAL. A month has more parts for that, of
-- which the look for a transaction reads a granule each.
ALTER TABLE tillstream.transactions MODIFY SETTING merge_selector_base = 15;
