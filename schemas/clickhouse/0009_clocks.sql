-- Tills whose clock is wrong: what was measured with a till's newest evidence, and by how much its time was corrected.
ALTER TABLE tillstream.terminal_status
  ADD COLUMN IF NOT EXISTS clock_skew_ms Int64,
  ADD COLUMN IF NOT EXISTS clock_shift_ms Int64;
