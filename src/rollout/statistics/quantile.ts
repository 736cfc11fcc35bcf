import type { Share } from './block.ts';

/**
 * Candidate against stable at a quantile, without estimating the candidate's quantile: the bound is the bucket in which
 * stable's quantile lay in the windows *before*, and what is compared are the shares of requests beyond it in this one
 * (two-rates.ts). A bound chosen from earlier windows leaves the test exact, one from the same window would not.
 */

/**
 * Index of the bucket that holds the quantile; null without a request.
 *
 * @param counts requests by latency bucket, fastest first
 * @param quantile above 0, below 1
 */
export function quantileBucket(counts: ArrayLike<number>, quantile: number): number | null {
  const total = sumFrom(counts, 0);
  if (total <= 0) return null;
  let left = total * quantile;
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i] ?? 0;
    if (left <= 0) return i;
  }
  return counts.length - 1;
}

/** Those of the requests that were slower than the bucket: what `advance` takes for one side. */
export function shareBeyond(counts: ArrayLike<number>, bucket: number): Share {
  return { trials: sumFrom(counts, 0), hits: sumFrom(counts, bucket + 1) };
}

function sumFrom(counts: ArrayLike<number>, first: number): number {
  let sum = 0;
  for (let i = first; i < counts.length; i++) sum += counts[i] ?? 0;
  return sum;
}
