import { z } from 'zod';
import { quote } from '../parsed.ts';
import { suggest } from '../suggest.ts';
import { object } from '../values.ts';
import { businessKeys } from './business.ts';
import { collateralKeys } from './collateral.ts';
import { compareKeys } from './compare.ts';
import { errorRateKeys } from './error-rate.ts';
import { GUARD_KINDS } from './guard.ts';
import { latencyKeys } from './latency.ts';
import { metricKeys } from './metric.ts';
import { webhookKeys } from './webhook.ts';

const OFF = z.literal('none');
const KINDS = GUARD_KINDS.join(', ');

/** A guard under the name of its kind. */
function named<Kind extends string, Keys extends z.core.$ZodLooseShape>(kind: Kind, keys: Keys, error: string) {
  return z.union(
    [OFF, object({ kind: z.literal(kind).optional().describe('May be left out: the name says it.'), ...keys })],
    { error },
  );
}

/** A guard under a name of its own. */
function kindOf<Kind extends string, Keys extends z.core.$ZodLooseShape>(kind: Kind, keys: Keys) {
  return object({ kind: z.literal(kind).describe('What it judges by.'), ...keys });
}

const otherGuard = z
  .union(
    [
      OFF,
      z.discriminatedUnion(
        'kind',
        [
          kindOf('errorRate', errorRateKeys),
          kindOf('latency', latencyKeys),
          kindOf('collateral', collateralKeys),
          kindOf('business', businessKeys),
          kindOf('compare', compareKeys),
          kindOf('metric', metricKeys),
          kindOf('webhook', webhookKeys),
        ],
        {
          error: ({ input }) => describeKind(input),
        },
      ),
    ],
    { error: 'give none, or a map with `kind`' },
  )
  .describe('A guard with a name of its own: its `kind`, and the keys of that kind; `none` turns it off.');

/** Guards by name; a name that is a kind need not say it. `none` for all turns all off. */
export const guardsSchema = z.union(
  [
    OFF,
    z
      .object({
        errorRate: named('errorRate', errorRateKeys, 'give none, or a map of `max` and `confidence`')
          .optional()
          .describe('Rolls back when the candidate fails more than `max`; `none` turns it off.'),
        latency: named('latency', latencyKeys, 'give none, or a map with at least `max`')
          .optional()
          .describe('Rolls back when more than the rest of `quantile` take longer than `max`; default `none`.'),
        collateral: named('collateral', collateralKeys, 'give none, or a map')
          .optional()
          .describe('Rolls back when stable itself fails more than before the rollout; default `none`.'),
        business: named('business', businessKeys, 'give none, or a map with at least `event`')
          .optional()
          .describe('Rolls back when the candidate reports an event less often than stable; default `none`.'),
        compare: named('compare', compareKeys, 'give none, or a map')
          .optional()
          .describe('Rolls back when copies differ on the candidate more often than on stable itself; default `none`.'),
        metric: named('metric', metricKeys, 'give none, or a map with at least `prometheus`, `query` and a bound')
          .optional()
          .describe('Rolls back when the value of a Prometheus query is out of bounds; default `none`.'),
        webhook: named('webhook', webhookKeys, 'give none, or a map with at least `webhook`')
          .optional()
          .describe('Rolls back when a webhook that is asked answers `fail`; default `none`.'),
      })
      .catchall(otherGuard),
  ],
  { error: 'give none, or a map of guards' },
);

function describeKind(guard: unknown): string {
  const kind = typeof guard === 'object' && guard !== null && 'kind' in guard ? guard.kind : undefined;
  if (kind === undefined) return `is missing; give one of ${KINDS}`;
  const meant = typeof kind === 'string' ? suggest(kind, GUARD_KINDS) : null;
  return `${quote(String(kind))} is not one of ${KINDS}${meant === null ? '' : `; did you mean ${meant}?`}`;
}
