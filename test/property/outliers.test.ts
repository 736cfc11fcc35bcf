import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eligibleTargets, newRecord, type OutlierPolicy, sweepUpstream } from '../../src/traffic/outliers.ts';
import { OUTLIERS } from '../support/app-fixtures.ts';

const policy = fc.record({
  consecutive: fc.integer({ min: 1, max: 6 }),
  share: fc.option(fc.double({ min: 0.05, max: 1, noNaN: true })),
  minRequests: fc.integer({ min: 1, max: 20 }),
  ejectionMs: fc.integer({ min: 100, max: 60_000 }),
  maxEjected: fc.double({ min: 0, max: 1, noNaN: true }),
  panic: fc.double({ min: 0, max: 1, noNaN: true }),
});
/** What one target did between two sweeps. */
const turn = fc.record({
  ok: fc.integer({ min: 0, max: 3 }),
  failed: fc.integer({ min: 0, max: 8 }),
  well: fc.boolean(),
});
const history = fc.integer({ min: 1, max: 6 }).chain((targets) =>
  fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: 20_000 }),
      turns: fc.array(turn, { minLength: targets, maxLength: targets }),
    }),
    {
      minLength: 1,
      maxLength: 60,
    },
  ),
);

describe('whatever targets do', () => {
  it('no more are ejected than may be, none for longer than allowed, and a healthy one is left to serve', () => {
    fc.assert(
      fc.property(policy, history, (given, sweeps) => {
        const rules: OutlierPolicy = { ...OUTLIERS, ...given };
        const targets = sweeps[0]?.turns.length ?? 0;
        const most = targets < 2 ? 0 : Math.max(1, Math.floor(rules.maxEjected * targets));
        let nowMs = 0;
        let records = Array.from({ length: targets }, () => newRecord({ trials: 0, errors: 0, runs: 0 }, 0));
        for (const { afterMs, turns } of sweeps) {
          nowMs += afterMs;
          const observed = records.map((record, i) => {
            const { ok = 0, failed = 0, well = true } = turns[i] ?? {};
            const { trials, errors, runs } = record.counts;
            const counts = {
              trials: trials + ok + failed,
              errors: errors + failed,
              runs: runs + Math.floor(failed / rules.consecutive),
            };
            return { record, counts: ok + failed === 0 ? record.counts : counts, healthy: well };
          });
          const swept = sweepUpstream(rules, observed, nowMs);
          records = [...swept.records];
          expect(records.filter(({ ejection }) => ejection !== null).length).toBeLessThanOrEqual(most);
          for (const { ejection } of records) {
            if (ejection === null) continue;
            expect(ejection.untilMs).toBeGreaterThan(nowMs);
            expect(ejection.untilMs - ejection.sinceMs).toBeLessThanOrEqual(rules.maxEjectionMs);
          }
          const standings = records.map(({ ejection, failing }, i) => ({
            healthy: turns[i]?.well === true,
            ejected: ejection !== null,
            failing,
          }));
          const eligible = eligibleTargets(standings, rules.panic);
          standings.forEach(({ healthy }, i) => {
            if (!healthy) expect(eligible[i]).toBe(false);
          });
          // With a panic threshold at all, ejections never leave a healthy upstream without a target.
          if (rules.panic > 0 && standings.some(({ healthy }) => healthy)) expect(eligible).toContain(true);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
