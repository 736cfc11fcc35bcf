/** Tommy Ettinger's mulberry32, from 0 to below 1: the same tosses in every run. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** How many of `trials` come true. */
export function tosses(random: () => number, trials: number, rate: number): number {
  let hits = 0;
  for (let i = 0; i < trials; i++) if (random() < rate) hits++;
  return hits;
}
