import type { Selection } from '../../config/guards/guard.ts';
import type { CountingRule } from '../../traffic/snapshot.ts';

/** What a guard that says which attempts count, and how, needs of the workers. */
export function countingRule(
  { match, by }: Selection,
  besides: Partial<Pick<CountingRule, 'slowMs' | 'timed' | 'event'>> = {},
): CountingRule {
  return {
    paths: match?.paths ?? [],
    methods: match?.methods ?? [],
    errors: match?.errors ?? [[500, 599]],
    ignored: match?.ignore ?? [],
    grpc: match?.grpc ?? null,
    client: by === undefined ? null : { most: by.client, perMs: by.perMs },
    slowMs: besides.slowMs ?? 0,
    timed: besides.timed ?? false,
    event: besides.event ?? null,
  };
}

/** Every attempt counts, in the usual way: what is counted anyway will do. */
export function countsAll({ match, by }: Selection): boolean {
  return match === undefined && by === undefined;
}
