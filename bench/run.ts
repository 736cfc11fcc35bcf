import type { Lab } from './lab.ts';
import { LAYOUTS, type Layout } from './layouts.ts';
import { h2loadVersion } from './load/h2load.ts';
import { measure, measureUnproxied } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import type { Sample } from './sample.ts';
import type { Scenario } from './scenarios.ts';

/** What the samples of a `paced` load without a proxy are called among those of the peers. */
export const UNPROXIED = { id: 'no-proxy', title: 'no proxy' } as const;

/** All samples of a scenario: by peer, one per round. */
export interface ScenarioResult {
  readonly id: string;
  readonly title: string;
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export interface RunResult {
  readonly scenarios: readonly ScenarioResult[];
  /** Requests a second of the `paced` loads; 0 when there were none. */
  readonly rate: number;
  /** From start to first accepted connection in ms, one per round, by peer. */
  readonly startMs: Readonly<Record<string, readonly number[]>>;
}

/** In each round every peer runs each scenario once, and the order moves on, so that no peer has the quiet moments. */
export async function runRounds(
  lab: Lab,
  peers: readonly Peer[],
  options: BenchOptions,
  say: (line: string) => void,
): Promise<RunResult> {
  const rate = await fixedRate(lab, peers, options.scenarios);
  if (rate > 0) say(`fixed rate: ${rate} requests a second`);
  const samples = new Map(options.scenarios.map((scenario) => [scenario.id, new Map<string, Sample[]>()]));
  const startMs = new Map<string, number[]>();
  await warmUp(lab, peers, options, rate);
  for (let round = 0; round < options.rounds; round++) {
    say(`round ${round + 1} of ${options.rounds}`);
    const order = rotated(peers, round);
    for (const peer of order) append(startMs, peer.id, await lab.with(peer, LAYOUTS.start, async (i) => i.startMs));
    let layout: Layout | null = null;
    for (const scenario of options.scenarios) {
      const byPeer = samples.get(scenario.id) ?? new Map<string, Sample[]>();
      const leadsIn = scenario.load.kind !== 'paced' && options.leadInSeconds > 0; // paced loads have their own
      const isFirst = leadsIn && scenario.layout !== layout && !scenario.layout.fresh;
      for (const peer of order.filter((peer) => takes(peer, scenario) && !isOverrun(byPeer.get(peer.id)))) {
        const run = lab.with(peer, scenario.layout, async (instance) => {
          if (isFirst) await measure(scenario, instance, { ...options, rate, seconds: options.leadInSeconds });
          return measure(scenario, instance, { ...options, rate });
        });
        append(byPeer, peer.id, await run.catch((error: unknown) => failed(`${peer.id}, ${scenario.id}`, error, say)));
      }
      if (scenario.load.kind === 'paced') {
        append(byPeer, UNPROXIED.id, await measureUnproxied(scenario.load, lab, { ...options, rate }));
      }
      layout = scenario.layout;
    }
  }
  const scenarios = options.scenarios.map(({ id, title }) => {
    return { id, title, samples: Object.fromEntries(samples.get(id) ?? []) };
  });
  return { scenarios, rate, startMs: Object.fromEntries(startMs) };
}

/** A round of one peer that could not be measured: it counts for no budget, and the others go on. */
function failed(what: string, error: unknown, say: (line: string) => void): Sample {
  say(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  return { errors: 1 };
}

/** A peer that cannot take the rate of a `paced` load has shown it once: its queue grows for as long as it is measured. */
function isOverrun(samples: readonly Sample[] = []): boolean {
  return samples.some(({ achieved = 1 }) => achieved < LEAST_ACHIEVED);
}

const LEAST_ACHIEVED = 0.9;

export function takes(peer: Peer, { layout, load }: Scenario): boolean {
  if (load.kind === 'h2' && h2loadVersion() === null) return false;
  return peer.supports(layout) && (load.kind !== 'websocket' || peer.upgrades);
}

/** Half of what nginx takes at most over as many connections; of the first peer where nginx is missing. */
async function fixedRate(lab: Lab, peers: readonly Peer[], scenarios: readonly Scenario[]): Promise<number> {
  const reference = peers.find(({ id }) => id === 'nginx') ?? peers[0];
  for (const { layout, load } of scenarios) {
    if (load.kind !== 'paced' || reference === undefined) continue;
    return Math.round((await lab.saturation(reference, layout, load.connections)) / 200) * 100;
  }
  return 0;
}

/**
 * Compilers do their work before the first round. They wait for code to have run so often, not so long, so what counts
 * is the CPU time a peer has spent: on a busy machine that takes several runs.
 */
async function warmUp(lab: Lab, peers: readonly Peer[], options: BenchOptions, rate: number): Promise<void> {
  for (const peer of peers.filter(({ warmsUp }) => warmsUp)) {
    for (const scenario of options.scenarios) {
      if (!takes(peer, scenario) || scenario.layout.fresh) continue;
      await lab.with(peer, scenario.layout, async (instance) => {
        const spentS = (): number => (instance.cpuTime().userUs + instance.cpuTime().systemUs) / 1e6;
        const enoughS = spentS() + options.warmUpSeconds * WARM_SHARE;
        for (let run = 0; run < MOST_WARM_UPS && spentS() < enoughS; run++) {
          await measure(scenario, instance, { ...options, rate, seconds: options.warmUpSeconds });
        }
      });
    }
  }
}

/** Of a core: a proxy that had less of it while it warmed up did so beside others. */
const WARM_SHARE = 0.4;
const MOST_WARM_UPS = 4;

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(items.length, 1);
  return [...items.slice(at), ...items.slice(0, at)];
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
