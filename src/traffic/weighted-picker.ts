/** One choice and its share. */
export interface Weighted<T> {
  readonly item: T;
  /** Integer >= 1. */
  readonly weight: number;
}

/**
 * Spreads picks evenly by weight: after any n picks every item has been picked within one of n · weight / total times.
 *
 * Source: R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980). Smooth weighted round robin
 * keeps that bound for two items only. A pick costs one pass over the items and no allocation.
 */
export class WeightedPicker<T> {
  readonly items: readonly Weighted<T>[];
  readonly #total: number;
  /** lag[i] = n · weight[i] - picks[i] · total: how far item i is behind its exact share, in units of 1/total. */
  readonly #lag: Float64Array;

  constructor(items: readonly Weighted<T>[]) {
    this.items = items;
    this.#total = items.reduce((sum, { weight }) => sum + weight, 0);
    this.#lag = new Float64Array(items.length);
  }

  /** Null when there is nothing to pick from. */
  next(): T | null {
    const { items } = this;
    if (items.length === 1) return items[0]?.item ?? null;
    const chosen = this.#choose();
    if (chosen < 0) return null;
    const lag = this.#lag;
    for (let i = 0; i < items.length; i++) lag[i] = (lag[i] ?? 0) + (items[i]?.weight ?? 0);
    lag[chosen] = (lag[chosen] ?? 0) - this.#total;
    return items[chosen]?.item ?? null;
  }

  /** Of those that may be picked without running ahead of their share, the one whose deadline comes first. */
  #choose(): number {
    const { items } = this;
    const slack = 1 - 1 / (2 * items.length - 2);
    let chosen = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < items.length; i++) {
      const weight = items[i]?.weight ?? 0;
      const lag = this.#lag[i] ?? 0;
      if (lag + weight < this.#total * (1 - slack)) continue;
      const deadline = (this.#total * slack - lag) / weight;
      if (deadline < earliest) {
        earliest = deadline;
        chosen = i;
      }
    }
    return chosen;
  }

  /** The item whose slice of [0, 1) holds `fraction`; slices lie in the order of the items. */
  at(fraction: number): T | null {
    let rest = fraction * this.#total;
    for (const { item, weight } of this.items) {
      if (rest < weight) return item;
      rest -= weight;
    }
    return this.items.at(-1)?.item ?? null;
  }

  /** Same items with the same weights: its place in the sequence may be kept. */
  sameAs(items: readonly Weighted<T>[], same: (a: T, b: T) => boolean): boolean {
    return (
      items.length === this.items.length &&
      items.every((entry, i) => {
        const mine = this.items[i];
        return mine !== undefined && mine.weight === entry.weight && same(mine.item, entry.item);
      })
    );
  }

  /** Takes over the place in the sequence of a picker with the same weights. */
  resumeFrom(other: WeightedPicker<T>): void {
    this.#lag.set(other.#lag);
  }
}
