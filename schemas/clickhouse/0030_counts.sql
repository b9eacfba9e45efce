-- Counts by value as run lengths: what sumMap of one array a value gave, for a quarter of its cost in every INSERT. Read each from its end: the values that were
-- added and those that were taken off, sorted together, twice the value and one more where it was taken off; where each value ends, it and the sum up to there; the
-- differences, which are the counts; what is left of them, as sumMap has it. Failed tries are counted likewise, by the bit that says so.

ALTER TABLE tillstream.sales_hourly
  MODIFY COLUMN customer_counts DEFAULT CAST(
    arrayMap(e -> (arrayFilter((x, n) -> n != 0, e.1, e.2), arrayFilter(n -> n != 0, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 1), arrayFilter((x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(toUInt32(cityHash64(x))) * 2, customers_in), arrayMap(x -> toInt64(toUInt32(cityHash64(x))) * 2 + 1, customers_out)))])))[1],
    'Tuple(Array(UInt32), Array(Int64))');

ALTER TABLE tillstream.sales_hourly
  MODIFY COLUMN basket_counts DEFAULT CAST(
    arrayMap(e -> (arrayFilter((x, n) -> n != 0, e.1, e.2), arrayFilter(n -> n != 0, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 1), arrayFilter((x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(if(x = 0, 0, sign(x) * (1 + ceil(log(abs(x)) / log(1.01 / 0.99))))) * 2, baskets_in), arrayMap(x -> toInt64(if(x = 0, 0, sign(x) * (1 + ceil(log(abs(x)) / log(1.01 / 0.99))))) * 2 + 1, baskets_out)))])))[1],
    'Tuple(Array(Int32), Array(Int64))');

ALTER TABLE tillstream.customer_days
  MODIFY COLUMN time_counts DEFAULT CAST(
    arrayMap(e -> (arrayFilter((x, n) -> n != 0, e.1, e.2), arrayFilter(n -> n != 0, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 1), arrayFilter((x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(x) * 2, times_in), arrayMap(x -> toInt64(x) * 2 + 1, times_out)))])))[1],
    'Tuple(Array(UInt32), Array(Int64))');

ALTER TABLE tillstream.payments_hourly
  MODIFY COLUMN auth_counts DEFAULT CAST(
    arrayMap(e -> (arrayFilter((x, n) -> n != 0, e.1, e.2), arrayFilter(n -> n != 0, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 1), arrayFilter((x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(x) * 2, auth_in), arrayMap(x -> toInt64(x) * 2 + 1, auth_out)))])))[1],
    'Tuple(Array(UInt32), Array(Int64))');

ALTER TABLE tillstream.terminal_payments
  MODIFY COLUMN tries DEFAULT CAST(
    arrayMap(e -> (
      arrayFilter((x, n, f) -> n != 0 OR f != 0, e.1, e.2, e.3), arrayFilter((n, f) -> n != 0 OR f != 0, e.2, e.3), arrayFilter((f, n) -> n != 0 OR f != 0, e.3, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0)))), arrayPopFront(arrayDifference(arrayPushFront(e.3, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 2), arrayFilter((x, y) -> bitShiftRight(x, 2) != bitShiftRight(y, 2), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 2) != bitShiftRight(y, 2), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807)),
      arrayFilter((c, x, y) -> bitShiftRight(x, 2) != bitShiftRight(y, 2), arrayCumSum(x -> if(bitTest(x, 1), 1 - 2 * bitAnd(x, 1), 0), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(x) * 2, tries_in), arrayMap(x -> toInt64(x) * 2 + 1, tries_out)))])))[1],
    'Tuple(Array(UInt16), Array(Int64), Array(Int64))');

ALTER TABLE tillstream.terminal_payments
  MODIFY COLUMN auth_counts DEFAULT CAST(
    arrayMap(e -> (arrayFilter((x, n) -> n != 0, e.1, e.2), arrayFilter(n -> n != 0, e.2)),
    arrayMap(e -> (e.1, arrayPopFront(arrayDifference(arrayPushFront(e.2, toInt64(0))))),
    arrayMap(s -> (
      arrayMap(x -> bitShiftRight(x, 1), arrayFilter((x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), s, arrayShiftLeft(s, 1, 9223372036854775807))),
      arrayFilter((c, x, y) -> bitShiftRight(x, 1) != bitShiftRight(y, 1), arrayCumSum(x -> 1 - 2 * bitAnd(x, 1), s), s, arrayShiftLeft(s, 1, 9223372036854775807))),
    [arraySort(arrayConcat(arrayMap(x -> toInt64(x) * 2, auth_in), arrayMap(x -> toInt64(x) * 2 + 1, auth_out)))])))[1],
    'Tuple(Array(UInt32), Array(Int64))');
