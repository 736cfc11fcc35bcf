/** The share of a target that has just come back, of what it would get otherwise. */
const COLDEST = 0.1;

/**
 * The weight of a target that warms up from `sinceMs` to `untilMs`: growing in a straight line from 10 % to 100 %. One
 * that does not warm up has `untilMs` at or before `nowMs`.
 */
export function warmthAt(sinceMs: number, untilMs: number, nowMs: number): number {
  if (nowMs >= untilMs) return 1;
  if (nowMs <= sinceMs) return COLDEST;
  return COLDEST + (1 - COLDEST) * ((nowMs - sinceMs) / (untilMs - sinceMs));
}

/** The index whose slice of [0, 1) holds `fraction`, slices being as wide as the weights; -1 without weights. */
export function drawByWeight(count: number, weightOf: (index: number) => number, fraction: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += weightOf(i);
  let rest = fraction * total;
  for (let i = 0; i < count; i++) {
    rest -= weightOf(i);
    if (rest < 0) return i;
  }
  return count - 1;
}
