import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operateGroup, startGroupRollout } from '../../src/app/commands/group.ts';
import { operateRollout, startRollout } from '../../src/app/commands/rollout.ts';
import { desiredService } from '../../src/app/desired/effective.ts';
import { newestRollout } from '../../src/app/desired/rollouts.ts';
import type { Config, RolloutPlan } from '../../src/config/config.ts';
import { ENDED, type Rollout } from '../../src/rollout/rollout.ts';
import { configOf, type ManualClock, manualClock, serviceConfig } from '../support/app-fixtures.ts';
import { openTarget, type Target } from '../support/gate.ts';
import { Killed, MortalGate, scratchPath } from '../support/mortal-gate.ts';

const KILLS = 1000;
const SEED = 20261125;
const BY = { actor: 'ci' };
const STEP_MS = 500;
/** A release that takes more than this many looks has lost its way. */
const MOST_LOOKS = 1000;

interface Release {
  readonly name: string;
  readonly plan: RolloutPlan;
  /** Services, released as one where there are several. */
  readonly services: readonly string[];
  /** What an operator calls for, and in which stage; repeated until it has been heard. */
  readonly call?: { readonly action: 'abort' | 'promote'; readonly stage: number };
  /** All shares that the candidate is served with, in order; none comes twice, and there is no other. */
  readonly weights: readonly number[];
  readonly phases: readonly string[];
}

const canary: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 5, holdMs: 1000 },
    { weight: 25, holdMs: 1500 },
    { weight: 50, holdMs: 0 },
    { weight: 100, holdMs: 1000 },
  ],
  guards: [],
};
const begun = ['checking', 'progressing'];
const promoted = ['promoting', 'draining', 'promoted'];

const RELEASES: readonly Release[] = [
  {
    name: 'a canary that is promoted',
    plan: canary,
    services: ['shop'],
    weights: [0, 5, 25, 50, 100],
    phases: [...begun, 'progressing', 'progressing', 'progressing', ...promoted],
  },
  {
    name: 'a canary that is aborted, and returns by a ramp',
    plan: { ...canary, rampMs: 5000 },
    services: ['shop'],
    call: { action: 'abort', stage: 3 },
    weights: [0, 5, 25, 50, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0],
    phases: [...begun, 'progressing', 'progressing', 'progressing', 'returning', 'aborted'],
  },
  {
    name: 'a blue-green rollout that keeps the old side warm',
    plan: { ...canary, strategy: 'blue-green', stages: [{ weight: 100, holdMs: 1000 }], keepWarmMs: 60_000 },
    services: ['shop'],
    weights: [0, 100],
    phases: [...begun, 'promoting', 'promoted'],
  },
  {
    name: 'a group that is promoted',
    plan: { ...canary, deadlineMs: 60_000 },
    services: ['shop', 'cart'],
    weights: [0, 5, 25, 50, 100],
    phases: [...begun, 'progressing', 'progressing', 'progressing', ...promoted],
  },
  {
    name: 'a group that is promoted by hand',
    plan: canary,
    services: ['shop', 'cart'],
    call: { action: 'promote', stage: 1 },
    weights: [0, 5, 25, 100],
    phases: [...begun, 'progressing', ...promoted],
  },
];

/** A release on a gate that dies again and again, and what came of it. */
class Ordeal {
  readonly #release: Release;
  readonly #config: Config;
  readonly #clock: ManualClock = manualClock();
  readonly #random: () => number;
  #gate: MortalGate;
  #heard = false;
  kills = 0;
  /** Of the candidates, as served; the same again is left out. */
  readonly weights: number[] = [];

  constructor(release: Release, target: Target, random: () => number) {
    this.#release = release;
    this.#random = random;
    const upstreams = {
      blue: { weight: 100, targets: [target.url] },
      green: { weight: 0, targets: [target.url] },
    };
    const services = release.services.map((name) => serviceConfig({ name, paths: [`/${name}`], upstreams }));
    const store = { path: scratchPath(`kills-${release.services.length}.db`) };
    this.#config = { ...configOf(...services), store, groups: { all: { services: release.services } } };
    this.#forget();
    this.#gate = new MortalGate(this.#config, this.#clock);
  }

  async run(): Promise<void> {
    const { services, plan } = this.#release;
    const [only] = services;
    if (services.length > 1) {
      const start = { to: 'green', plan: () => plan, replace: false };
      await startGroupRollout(this.#gate.core, 'all', start, BY);
    } else if (only !== undefined) {
      await startRollout(this.#gate.core, only, 'green', plan, BY);
    }
    this.#mortal();
    for (let lives = 0; !this.rollouts().every(({ position }) => ENDED.has(position.phase)); lives++) {
      if (lives > MOST_LOOKS) throw new Error(`${this.#release.name} does not end; it is served ${this.weights}`);
      await this.#live();
      this.#collect();
      if (this.#gate.isDead) await this.#restart();
    }
  }

  /** As they are stored: another process could read them now. */
  rollouts(): readonly Rollout[] {
    const { desired } = this.#gate.core.current();
    return this.#release.services.flatMap((name) => newestRollout(desiredService(desired, name)) ?? []);
  }

  [Symbol.dispose](): void {
    if (!this.#gate.isDead) this.#gate.close();
    this.#forget();
  }

  #forget(): void {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${this.#config.store.path}${end}`, { force: true });
  }

  async #live(): Promise<void> {
    await this.#gate.look();
    this.#clock.advance(STEP_MS);
    if (this.#gate.isDead) return;
    await this.#call().catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
  }

  async #call(): Promise<void> {
    const { call, services } = this.#release;
    const [first] = this.rollouts();
    const isThere = first?.position.phase === 'progressing' && first.position.stage === call?.stage;
    if (call === undefined || this.#heard || !isThere) return;
    if (services.length > 1) await operateGroup(this.#gate.core, 'all', call.action, BY);
    else await operateRollout(this.#gate.core, 'shop', call.action, BY);
    this.#heard = true;
  }

  async #restart(): Promise<void> {
    this.kills++;
    this.#gate.close();
    // Whoever starts it again takes some time, which counts for nothing.
    this.#clock.advance(10_000);
    this.#gate = new MortalGate(this.#config, this.#clock);
    this.#collect();
    this.#mortal();
    await this.#gate.takeUp();
  }

  #mortal(): void {
    this.#gate.dieAfter(1 + Math.floor(this.#random() * 14));
  }

  #collect(): void {
    for (const shares of this.#gate.served.splice(0)) {
      // No snapshot has one service of a group in another place than the others.
      expect(new Set(Object.values(shares)).size).toBe(1);
      const weight = Object.values(shares)[0] ?? Number.NaN;
      if (this.weights.at(-1) !== weight) this.weights.push(weight);
    }
  }
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a gate that is killed again and again', () => {
  it('loses no stage, repeats none, and serves no weight that the plan does not name', {
    timeout: 300_000,
  }, async () => {
    await using target = await openTarget('ok');
    const random = seeded(SEED);
    let kills = 0;
    for (let n = 0; kills < KILLS; n++) {
      const release = RELEASES[n % RELEASES.length];
      if (release === undefined) break;
      using ordeal = new Ordeal(release, target, random);
      await ordeal.run();
      expect(ordeal.weights, `${release.name}, after ${kills} kills`).toEqual(release.weights);
      for (const { transitions } of ordeal.rollouts()) {
        expect(
          transitions.map(({ to }) => to),
          `${release.name}, after ${kills} kills`,
        ).toEqual(release.phases);
        const stages = transitions.filter(({ to }) => to === 'progressing').map(({ stage }) => stage);
        expect(stages).toEqual(stages.map((_, i) => i));
      }
      kills += ordeal.kills;
    }
    expect(kills).toBeGreaterThanOrEqual(KILLS);
  });
});
