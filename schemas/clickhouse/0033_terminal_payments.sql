-- Payments by till cost most where they are merged, and are seldom asked for: they are merged in wider steps, as kept transactions are. A row is written anew less often, and what is added up
-- with it each time is more. A month has more parts for that.
ALTER TABLE tillstream.terminal_payments MODIFY SETTING merge_selector_base = 15;
