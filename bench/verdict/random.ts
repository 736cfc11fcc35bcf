/** From 0 to below 1. */
export type Random = () => number;

/** Tommy Ettinger's mulberry32: small, fast, and good enough to toss coins. Each cell has one of its own. */
export function randomOf(seed: number, cell: string): Random {
  let state = seed | 0;
  for (const letter of cell) state = (Math.imul(state, 31) + (letter.codePointAt(0) ?? 0)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** How many trials until the next hit, that one included: successes are skipped, not tossed one by one. */
export function untilHit(random: Random, rate: number): number {
  if (rate >= 1) return 1;
  return 1 + Math.floor(Math.log1p(-random()) / Math.log1p(-rate));
}

/** Hits among `trials`. */
export function hitsAmong(random: Random, trials: number, rate: number): number {
  if (rate <= 0) return 0;
  let hits = 0;
  for (let at = untilHit(random, rate); at <= trials; at += untilHit(random, rate)) hits++;
  return hits;
}
