import { isDeepStrictEqual } from 'node:util';
import type { Override } from '../desired.ts';

export type Weights = Readonly<Record<string, number>>;

/**
 * Weights are the same when every upstream has the same share; one that is not named has none. So adding an idle
 * upstream to the file is no change of weights and does not undo what an operator set.
 */
export function sameWeights(a: Weights, b: Weights): boolean {
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if ((a[name] ?? 0) !== (b[name] ?? 0)) return false;
  }
  return true;
}

export function sameValue<T>(a: T, b: T): boolean {
  return isDeepStrictEqual(a, b);
}

/** The override that makes `value` hold over the file's `base`; none when the file says the same. */
export function overrideOf<T>(value: T, base: T, same: (a: T, b: T) => boolean): Override<T> | null {
  return same(value, base) ? null : { value, base };
}
