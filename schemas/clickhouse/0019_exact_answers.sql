-- How often hosts took exactly so many ms: values and counts, which add up. A verdict about a share of answers, or a percentile, is counted here and not read off a
-- sketch. Rows that were written before have none: of their answers it is not known.
ALTER TABLE tillstream.payments_hourly
  ADD COLUMN IF NOT EXISTS auth_counts SimpleAggregateFunction(sumMap, Tuple(Array(UInt32), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    [auth_in], [arrayResize([]::Array(Int64), length(auth_in), 1)]),
    'Tuple(Array(UInt32), Array(Int64))') CODEC(ZSTD);
