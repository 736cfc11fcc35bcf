import type { RolloutPlan } from '../../src/config/config.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { created, createRollout } from '../../src/rollout/create.ts';
import { Journal } from '../../src/rollout/journal.ts';
import type { RolloutPorts, RolloutUpdate, RoutingChange } from '../../src/rollout/ports.ts';
import { type Baseline, type Counts, ENDED, type Rollout } from '../../src/rollout/rollout.ts';
import type { JournalEntry } from '../../src/store/store.ts';

/** What a store would hold for the one service of these tests. */
export interface Stored {
  readonly rollouts: readonly Rollout[];
  readonly weights: Readonly<Record<string, number>>;
  readonly stable: string;
  readonly draining: readonly string[];
  readonly warm: readonly string[];
  readonly events: readonly string[];
}

export const SERVICE = 'shop';

const FRESH: Stored = {
  rollouts: [],
  weights: { blue: 100, green: 0, grey: 0 },
  stable: 'blue',
  draining: [],
  warm: [],
  events: [],
};

/**
 * A control plane in memory that keeps to the ports: commands one after the other, everything through JSON as a store
 * would have it, published only after it was stored; and which can fail on either side of the commit.
 */
export class MemoryPorts implements RolloutPorts {
  #json = JSON.stringify(FRESH);
  #served: Stored = FRESH;
  #queue: Promise<unknown> = Promise.resolve();
  readonly ledger = new Map<string, Counts>();
  readonly empty = new Set<string>();
  /** Upstreams whose targets are all unhealthy. */
  readonly ill = new Set<string>();
  /** The next update fails there. */
  fault: 'before_commit' | 'after_commit' | null = null;
  commits = 0;
  /** What a store would hold of the journal. */
  readonly entries: JournalEntry[] = [];
  #journal = new Journal();

  stored(): Stored {
    return JSON.parse(this.#json);
  }

  /** What workers go by. */
  served(): Stored {
    return this.#served;
  }

  newest(): Rollout {
    const rollout = this.rollout();
    if (rollout === null) throw new Error('there is no rollout');
    return rollout;
  }

  /** The process starts again: it serves what was stored, and counts from zero. */
  restart(): void {
    this.fault = null;
    this.#journal = new Journal();
    this.ledger.clear();
    this.#served = this.stored();
  }

  async begin(to: string, plan: RolloutPlan, at: number): Promise<void> {
    const taken = this.stored().rollouts.map((rollout) => rollout.id);
    const from = this.stored().stable;
    await this.update(SERVICE, () =>
      created(createRollout({ service: SERVICE, from, to, plan, actor: 'ci', at, taken })),
    );
  }

  traffic(upstream: string, trials: number, errors: number): void {
    const before = this.counts(SERVICE, upstream);
    this.ledger.set(upstream, { trials: before.trials + trials, errors: before.errors + errors });
  }

  running(): readonly string[] {
    const rollout = this.rollout();
    return rollout !== null && !ENDED.has(rollout.position.phase) ? [SERVICE] : [];
  }

  rollout(): Rollout | null {
    return this.stored().rollouts[0] ?? null;
  }

  update(_service: string, decide: (rollout: Rollout | null) => RolloutUpdate | null): Promise<Rollout | null> {
    const result = this.#queue.then(() => this.#commit(decide));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** There is one service here. */
  async updateTogether(
    _services: readonly string[],
    decide: (rollouts: readonly (Rollout | null)[]) => readonly (RolloutUpdate | null)[] | null,
  ): Promise<void> {
    await this.update(SERVICE, (rollout) => decide([rollout])?.[0] ?? null);
  }

  counts(_service: string, upstream: string): Counts {
    return this.ledger.get(upstream) ?? { trials: 0, errors: 0 };
  }

  slots(): readonly Counts[] {
    return [];
  }

  baseline(): Baseline {
    return { all: { trials: 0, errors: 0 }, slots: [] };
  }

  drained(_service: string, upstream: string): boolean {
    return this.empty.has(upstream);
  }

  takesTraffic(_service: string, upstream: string): boolean {
    return !this.ill.has(upstream);
  }

  connections() {
    return { prometheus: {}, webhooks: {} };
  }

  tls() {
    return TRUST_SYSTEM;
  }

  targets(_service: string, upstream: string): readonly string[] {
    return [`http://${upstream}.test`];
  }

  async #commit(decide: (rollout: Rollout | null) => RolloutUpdate | null): Promise<Rollout | null> {
    const before = this.stored();
    const update = decide(before.rollouts[0] ?? null);
    if (update === null) return before.rollouts[0] ?? null;
    this.#fail('before_commit');
    this.#json = JSON.stringify(applied(before, update));
    this.#note(before.rollouts[0] ?? null, update);
    this.commits++;
    this.#fail('after_commit');
    // Publishing takes its time.
    await Promise.resolve();
    this.#served = this.stored();
    return this.rollout();
  }

  #note(before: Rollout | null, { rollout, input }: RolloutUpdate): void {
    const written = this.#journal.entries([{ before, after: rollout, input: input ?? null }], 0);
    this.#journal.written(written);
    for (const entry of written) {
      this.entries.push({ ...JSON.parse(JSON.stringify(entry)), id: this.entries.length + 1 });
    }
  }

  #fail(where: 'before_commit' | 'after_commit'): void {
    if (this.fault !== where) return;
    this.fault = null;
    throw new Error(`failed ${where}`);
  }
}

function applied(before: Stored, { rollout, changes, events }: RolloutUpdate): Stored {
  const [newest, ...older] = before.rollouts;
  const rest = newest === undefined ? [] : newest.id === rollout.id ? older : [newest, ...older];
  const next = { ...before, rollouts: [rollout, ...rest], events: [...before.events, ...events.map((e) => e.type)] };
  return changes.reduce(change, next);
}

function change(state: Stored, routing: RoutingChange): Stored {
  switch (routing.kind) {
    case 'weights':
      return { ...state, weights: { ...zeroed(state.weights), ...routing.weights } };
    case 'stable':
      return { ...state, stable: routing.upstream };
    case 'drain':
      return { ...state, draining: [...without(state.draining, routing.upstream), routing.upstream] };
    case 'warm':
      return { ...state, warm: [...without(state.warm, routing.upstream), routing.upstream] };
    case 'enable':
      return { ...state, draining: without(state.draining, routing.upstream) };
  }
}

function zeroed(weights: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.keys(weights).map((name) => [name, 0]));
}

function without(names: readonly string[], name: string): readonly string[] {
  return names.filter((other) => other !== name);
}
