-- Rollups whose merges cost most are merged in wider steps, as kept transactions are: a row is written anew less often, and what is added up with it each time is more. A month has
-- more parts for that, which who asks for it reads.
ALTER TABLE tillstream.basket_pairs MODIFY SETTING merge_selector_base = 15;
ALTER TABLE tillstream.product_sales MODIFY SETTING merge_selector_base = 15;
ALTER TABLE tillstream.sales_hourly MODIFY SETTING merge_selector_base = 15;
ALTER TABLE tillstream.terminal_payments MODIFY SETTING merge_selector_base = 15;
