import { minus, NO_COUNTS, plus } from '../rollout/counts.ts';
import type { Baseline, Counts } from '../rollout/rollout.ts';
import type { CountingRule } from '../traffic/snapshot.ts';
import type { Registry, ServiceEntry, UpstreamEntry } from './registry.ts';
import { slotCounts, upstreamCounts } from './views/counts.ts';

/** How often counts are noted, and how many stretches between two notes are kept: ten minutes of them. */
export const SAMPLE_MS = 10_000;
const KEPT = 60;

interface Counted {
  readonly all: Counts;
  readonly slots: readonly Counts[];
  /** What the slots count; of a stretch null where that changed within it. */
  readonly rules: string | null;
}

interface Notes {
  /** Up to the newest note, since the process knows the upstream. */
  readonly total: Counted;
  /** What came in each stretch without a rollout, oldest first. */
  readonly stretches: readonly Counted[];
}

/**
 * What upstreams did in the last ten minutes without a rollout, for guards that compare with it: harm that one candidate
 * does must not be what the next one is measured by. Nothing of it outlives the process.
 */
export class Baselines {
  readonly #registry: Registry;
  readonly #notes = new WeakMap<UpstreamEntry, Notes>();
  /** Services of which a candidate has had traffic since the newest note. */
  readonly #disturbed = new Set<string>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /**
   * What a service does from now on, up to the next note, is no baseline: a candidate gets traffic, or had some until now.
   *
   * @param rules what is counted for it now
   */
  disturb(service: string, rules: readonly CountingRule[]): void {
    const entry = this.#registry.service(service);
    if (entry === undefined || this.#disturbed.has(service)) return;
    this.#note(entry, rules);
    this.#disturbed.add(service);
  }

  /** Notes the counts of all upstreams. `now` of a service: what is counted for it, and whether a candidate has traffic. */
  sample(now: (service: string) => { readonly rules: readonly CountingRule[]; readonly isDisturbed: boolean }): void {
    for (const service of this.#registry.services()) {
      const { rules, isDisturbed } = now(service.name);
      this.#note(service, rules);
      if (isDisturbed) this.#disturbed.add(service.name);
      else this.#disturbed.delete(service.name);
    }
  }

  #note(service: ServiceEntry, counted: readonly CountingRule[]): void {
    const rules = JSON.stringify(counted);
    for (const upstream of service.upstreams.values()) {
      const total = { ...countsOf(upstream), rules };
      const known = this.#notes.get(upstream) ?? { total: { ...NOTHING, rules }, stretches: [] };
      const more = this.#disturbed.has(service.name) ? [] : [between(known.total, total)];
      this.#notes.set(upstream, { total, stretches: [...known.stretches, ...more].slice(-KEPT) });
    }
  }

  /** What an upstream did in the stretches that are kept, and since. `rules`: what its slots are to count. */
  of(service: string, name: string, rules: readonly CountingRule[]): Baseline {
    const upstream = this.#registry.service(service)?.upstreams.get(name);
    if (upstream === undefined) return { all: NO_COUNTS, slots: [] };
    const key = JSON.stringify(rules);
    const notes = this.#notes.get(upstream);
    const isQuiet = !this.#disturbed.has(service);
    const now: Counted = { ...countsOf(upstream), rules: notes?.total.rules ?? null };
    const stretches = [...(notes?.stretches ?? []), ...(isQuiet ? [between(notes?.total ?? NOTHING, now)] : [])];
    const isSame = stretches.length > 0 && stretches.every((stretch) => stretch.rules === key);
    return {
      all: sum(stretches.map(({ all }) => all)),
      slots: isSame ? rules.map((_, i) => sum(stretches.map(({ slots }) => slots[i] ?? NO_COUNTS))) : [],
    };
  }
}

const NOTHING: Counted = { all: NO_COUNTS, slots: [], rules: null };

function between(before: Counted, now: Counted): Counted {
  return {
    all: minus(now.all, before.all),
    slots: now.slots.map((counts, i) => minus(counts, before.slots[i] ?? NO_COUNTS)),
    rules: before.rules === now.rules ? now.rules : null,
  };
}

function sum(counts: readonly Counts[]): Counts {
  return counts.reduce(plus, NO_COUNTS);
}

function countsOf({ ledger, slots }: UpstreamEntry): Omit<Counted, 'rules'> {
  return { all: upstreamCounts(ledger), slots: slots === null ? [] : slotCounts(slots) };
}
