/** Middle and ends of what several rounds measured. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Null without values. */
export function spread(values: readonly number[]): Spread | null {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return null;
  return { median: quantile(sorted, 0.5), min, max };
}

/** Of values in ascending order: the nearest rank, the mean of two for an even median. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const { length } = sorted;
  if (length === 0) return Number.NaN;
  if (share === 0.5 && length % 2 === 0) return ((sorted[length / 2 - 1] ?? 0) + (sorted[length / 2] ?? 0)) / 2;
  return sorted[Math.min(Math.ceil(share * length), length) - 1] ?? sorted[0] ?? Number.NaN;
}

/** Round by round, so that a machine that slows down between rounds changes no ratio. Null without a common round. */
export function ratio(ours: readonly (number | undefined)[], theirs: readonly (number | undefined)[]): Spread | null {
  const ratios = ours.flatMap((value, round) => {
    const other = theirs[round];
    return value === undefined || other === undefined || other === 0 ? [] : [value / other];
  });
  return spread(ratios);
}
