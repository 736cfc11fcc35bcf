import { FINE_CELLS, FINE_SUB, LATENCY_BUCKETS } from './ledger.ts';

const SUB_BITS = Math.log2(FINE_SUB);

/** Fine bucket of a duration in microseconds: exact below 16 µs, then 16 buckets per power of two. */
export function fineBucket(us: number): number {
  const value = us < 0 ? 0 : us > 0x7fffffff ? 0x7fffffff : us | 0;
  if (value < FINE_SUB) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  const index = (shift + 1) * FINE_SUB + ((value >> shift) - FINE_SUB);
  return index < FINE_CELLS ? index : FINE_CELLS - 1;
}

/** Upper edge of a fine bucket, in microseconds. */
export function fineUpperUs(index: number): number {
  if (index < FINE_SUB) return index + 1;
  const shift = Math.floor(index / FINE_SUB) - 1;
  return ((index % FINE_SUB) + FINE_SUB + 1) * 2 ** shift;
}

const FINE_PER_BUCKET = FINE_CELLS / LATENCY_BUCKETS;

/** Bucket of a slot (see ledger.ts `SLOT`) for a duration in microseconds. */
export function latencyBucket(us: number): number {
  return Math.floor(fineBucket(us) / FINE_PER_BUCKET);
}

/** Upper edge of such a bucket, in microseconds. */
export function bucketUpperUs(bucket: number): number {
  return fineUpperUs(bucket * FINE_PER_BUCKET + FINE_PER_BUCKET - 1);
}

/** The quantile (0 to 1) of counts in fine buckets, in milliseconds; 0 without data. Errs upwards by at most 6.25 %. */
export function fineQuantileMs(counts: ArrayLike<number>, offset: number, quantile: number): number {
  let total = 0;
  for (let i = 0; i < FINE_CELLS; i++) total += counts[offset + i] ?? 0;
  if (total === 0) return 0;
  let left = Math.ceil(total * quantile);
  for (let i = 0; i < FINE_CELLS; i++) {
    left -= counts[offset + i] ?? 0;
    if (left <= 0) return fineUpperUs(i) / 1000;
  }
  return fineUpperUs(FINE_CELLS - 1) / 1000;
}
