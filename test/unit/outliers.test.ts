import { describe, expect, it } from 'vitest';
import {
  eligibleTargets,
  newRecord,
  type Observed,
  type OutlierPolicy,
  sweepUpstream,
  type TargetRecord,
} from '../../src/traffic/outliers.ts';
import { OUTLIERS } from '../support/app-fixtures.ts';

const NONE = { trials: 0, errors: 0, runs: 0 };

/** An upstream whose targets answer what the test says, swept by hand. */
class Watched {
  readonly changes: string[] = [];
  records: TargetRecord[];
  nowMs = 0;
  readonly #policy: OutlierPolicy;
  readonly #healthy: boolean[];

  constructor(targets: number, policy: Partial<OutlierPolicy> = {}) {
    this.#policy = { ...OUTLIERS, ...policy };
    this.records = Array.from({ length: targets }, () => newRecord(NONE, 0));
    this.#healthy = this.records.map(() => true);
  }

  unhealthy(target: number): void {
    this.#healthy[target] = false;
  }

  /** One sweep, a second after the one before; `[ok, failed]` by target since then, and how many runs were completed. */
  sweep(traffic: Readonly<Record<number, readonly [number, number, number?]>> = {}, afterMs = 1000): void {
    this.nowMs += afterMs;
    const observed = this.records.map((record, i): Observed => {
      const [ok, failed, runs = 0] = traffic[i] ?? [0, 0];
      const { trials, errors } = record.counts;
      const counts =
        ok + failed === 0
          ? record.counts
          : { trials: trials + ok + failed, errors: errors + failed, runs: record.counts.runs + runs };
      return { record, counts, healthy: this.#healthy[i] === true };
    });
    const { records, changes } = sweepUpstream(this.#policy, observed, this.nowMs);
    this.records = [...records];
    for (const change of changes) {
      const what = change.kind === 'ejected' ? change.evidence.reason : change.reason;
      this.changes.push(`${change.kind} ${change.index} ${what}`);
    }
  }

  get ejected(): number[] {
    return this.records.flatMap(({ ejection }, i) => (ejection === null ? [] : [i]));
  }

  get eligible(): boolean[] {
    return eligibleTargets(
      this.records.map(({ ejection, failing }, i) => ({
        healthy: this.#healthy[i] === true,
        ejected: ejection !== null,
        failing,
      })),
      this.#policy.panic,
    );
  }

  /** How long the target is out, once it is ejected. */
  lengthMs(target: number): number {
    const ejection = this.records[target]?.ejection;
    return ejection ? ejection.untilMs - ejection.sinceMs : 0;
  }
}

describe('a target is ejected', () => {
  it('after five failures in a row, whichever worker saw them', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [0, 4], 1: [9, 0] });
    expect(upstream.ejected).toEqual([]);
    upstream.sweep({ 0: [0, 1], 1: [9, 0] });
    expect(upstream.changes).toEqual(['ejected 0 consecutive']);
    expect(upstream.eligible).toEqual([false, true]);
  });

  it('when a worker saw a whole row between two sweeps, with successes around it', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [20, 5, 1] });
    expect(upstream.changes).toEqual(['ejected 0 consecutive']);
  });

  it('not while successes come between its failures', () => {
    const upstream = new Watched(2);
    for (let n = 0; n < 10; n++) upstream.sweep({ 0: [1, 4] });
    expect(upstream.ejected).toEqual([]);
  });

  it('for its share of failures, once there are requests enough within the window', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [3, 22] });
    expect(upstream.ejected).toEqual([]);
    upstream.sweep({ 0: [4, 22] });
    expect(upstream.changes).toEqual(['ejected 0 share']);
  });

  it('not for failures that have left the window', () => {
    const upstream = new Watched(2, { share: 0.5 });
    upstream.sweep({ 0: [1, 40] });
    for (let n = 0; n < 10; n++) upstream.sweep({ 0: [2, 0] });
    upstream.sweep({ 0: [30, 10] });
    expect(upstream.ejected).toEqual([]);
  });

  it('not for its share when that is turned off', () => {
    const upstream = new Watched(2, { share: null });
    upstream.sweep({ 0: [5, 95] });
    expect(upstream.ejected).toEqual([]);
  });

  it('never when it is the only one', () => {
    const upstream = new Watched(1);
    upstream.sweep({ 0: [0, 1000, 200] });
    expect(upstream.ejected).toEqual([]);
    expect(upstream.eligible).toEqual([true]);
  });

  it('not on top of being unhealthy', () => {
    const upstream = new Watched(2);
    upstream.unhealthy(0);
    upstream.sweep({ 0: [0, 50] });
    expect(upstream.ejected).toEqual([]);
    expect(upstream.eligible).toEqual([false, true]);
  });

  it('only while at most half of the targets are', () => {
    const upstream = new Watched(5);
    const allFail = { 0: [0, 9], 1: [0, 9], 2: [0, 9], 3: [0, 9], 4: [0, 9] } as const;
    upstream.sweep(allFail);
    expect(upstream.ejected).toEqual([0, 1]);
  });

  it('even where half of the targets is less than one', () => {
    const upstream = new Watched(3, { maxEjected: 0.1 });
    upstream.sweep({ 0: [0, 9], 1: [0, 9] });
    expect(upstream.ejected).toEqual([0]);
  });
});

describe('an ejection', () => {
  it('ends when its time is over, and nothing from before counts any more', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [0, 5] });
    upstream.sweep({ 0: [0, 4] }, 29_900); // what was in flight
    expect(upstream.ejected).toEqual([0]);
    upstream.sweep({}, 100);
    expect(upstream.changes.at(-1)).toBe('returned 0 time');
    upstream.sweep({ 0: [0, 4] });
    expect(upstream.ejected).toEqual([]);
  });

  it('takes longer each time, up to five minutes', () => {
    const upstream = new Watched(2);
    const lengths: number[] = [];
    for (let n = 0; n < 12; n++) {
      upstream.sweep({ 0: [0, 5] });
      lengths.push(upstream.lengthMs(0));
      upstream.sweep({}, upstream.lengthMs(0));
    }
    expect(lengths.slice(0, 3)).toEqual([30_000, 60_000, 90_000]);
    expect(lengths.slice(9)).toEqual([300_000, 300_000, 300_000]);
  });

  it('is forgotten step by step while the target does well', () => {
    const upstream = new Watched(2);
    for (let n = 0; n < 3; n++) {
      upstream.sweep({ 0: [0, 5] });
      upstream.sweep({}, upstream.lengthMs(0));
    }
    expect(upstream.records[0]?.strikes).toBe(3);
    for (let n = 0; n < 10; n++) upstream.sweep({ 0: [1, 0] });
    expect(upstream.records[0]?.strikes).toBe(2);
    for (let n = 0; n < 30; n++) upstream.sweep({ 0: [1, 0] });
    upstream.sweep({ 0: [0, 5] });
    expect(upstream.lengthMs(0)).toBe(30_000);
  });

  it('ends when no other target is left', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [0, 5] });
    upstream.records.pop();
    upstream.sweep();
    expect(upstream.changes.at(-1)).toBe('returned 0 alone');
  });
});

describe('panic', () => {
  it('ignores ejections while less than half of the targets is sound', () => {
    const upstream = new Watched(4);
    upstream.sweep({ 0: [0, 5] });
    upstream.unhealthy(1);
    expect(upstream.eligible).toEqual([false, false, true, true]);
    upstream.unhealthy(2);
    expect(upstream.eligible).toEqual([true, false, false, true]);
  });

  it('counts a target that fails and may not be ejected as lost', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [0, 5] });
    expect(upstream.eligible).toEqual([false, true]);
    upstream.sweep({ 1: [0, 5] });
    expect(upstream.ejected).toEqual([0]);
    expect(upstream.eligible).toEqual([true, true]);
    upstream.sweep({ 1: [1, 0] });
    expect(upstream.eligible).toEqual([false, true]);
  });

  it('lets the target return that answers well, and ejects the one that does not', () => {
    const upstream = new Watched(2);
    upstream.sweep({ 0: [0, 5], 1: [0, 5] });
    expect(upstream.eligible).toEqual([true, true]);
    upstream.sweep({ 0: [5, 0], 1: [0, 5] });
    expect(upstream.changes.slice(1)).toEqual(['returned 0 recovered', 'ejected 1 consecutive']);
    expect(upstream.eligible).toEqual([true, false]);
  });
});
