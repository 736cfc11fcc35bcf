import { minus, NO_COUNTS } from '../rollout/counts.ts';
import type { Baseline, Counts } from '../rollout/rollout.ts';
import type { CountingRule } from '../traffic/snapshot.ts';
import type { Registry, UpstreamEntry } from './registry.ts';
import { slotCounts, upstreamCounts } from './views/counts.ts';

/** How often counts are noted, and how many notes are kept: what is known reaches back ten minutes. */
export const SAMPLE_MS = 10_000;
const KEPT = 60;

interface Sample {
  readonly all: Counts;
  readonly slots: readonly Counts[];
  /** What the slots counted then. */
  readonly rules: string;
}

/** What upstreams did in the last minutes, for guards that compare with it. Nothing of it outlives the process. */
export class Baselines {
  readonly #registry: Registry;
  readonly #samples = new WeakMap<UpstreamEntry, readonly Sample[]>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Notes the counts of all upstreams; `rulesOf` a service: what is counted for it now. */
  sample(rulesOf: (service: string) => readonly CountingRule[]): void {
    for (const service of this.#registry.services()) {
      const rules = JSON.stringify(rulesOf(service.name));
      for (const upstream of service.upstreams.values()) {
        const before = this.#samples.get(upstream) ?? [];
        this.#samples.set(upstream, [...before.slice(-KEPT), { ...countsOf(upstream), rules }]);
      }
    }
  }

  /** What an upstream did since the oldest note, or since the process knows it. `rules`: what its slots are to count. */
  of(service: string, name: string, rules: readonly CountingRule[]): Baseline {
    const upstream = this.#registry.service(service)?.upstreams.get(name);
    if (upstream === undefined) return { all: NO_COUNTS, slots: [] };
    const samples = this.#samples.get(upstream) ?? [];
    const oldest = samples.length > KEPT ? samples[0] : undefined;
    const now = countsOf(upstream);
    const key = JSON.stringify(rules);
    const isSame = samples.length > 0 && samples.every((sample) => sample.rules === key);
    return {
      all: minus(now.all, oldest?.all ?? NO_COUNTS),
      slots: isSame ? rules.map((_, i) => minus(now.slots[i] ?? NO_COUNTS, oldest?.slots[i] ?? NO_COUNTS)) : [],
    };
  }
}

function countsOf({ ledger, slots }: UpstreamEntry): Omit<Sample, 'rules'> {
  return { all: upstreamCounts(ledger), slots: slots === null ? [] : slotCounts(slots) };
}
