import { monotonicMs } from '../platform/clock.ts';
import { type Accounts, settleAccounts, upstreamGains } from './accounts.ts';
import type { GatePort, GateReading, RolloutReading, UpstreamReading } from './gate-port.ts';
import { Load, type LoadOptions } from './load.ts';
import { pause } from './pause.ts';
import { reloading, restarting, rollingOut, type Sides, type Stage, switching } from './scenario.ts';
import { ROLLOUT_SCENARIOS, type ScenarioName } from './scenario-names.ts';
import type { Tally } from './tally.ts';

const LOOK_EVERY_MS = 100;
/** A gate that still counts requests as in flight after this will not get rid of them. */
const SETTLE_MS = 5_000;

export interface LoadtestOptions {
  readonly load: Omit<LoadOptions, 'durationMs'> & { readonly durationMs: number };
  readonly scenario: ScenarioName;
  readonly everyMs: number;
  /** null where only a URL is driven. */
  readonly gate: GatePort | null;
  /** The candidate; null where the scenario needs none. */
  readonly to: string | null;
  readonly plan: Readonly<Record<string, unknown>>;
  readonly restart: ((signal: AbortSignal) => Promise<void>) | null;
  /** Cuts the load and ends a rollout of the scenario; what was measured so far is returned. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly elapsedMs: number;
  /** null while a rollout decides when it ends. */
  readonly totalMs: number | null;
  readonly warmingUp: boolean;
  readonly measured: Tally;
  readonly operations: ReadonlyMap<string, number>;
}

/** Everything that was counted. */
export interface Measurement {
  /** Milliseconds, warm-up left out. */
  readonly durationMs: number;
  /** As that, or until the last answer if that came later: what was answered was answered within this. */
  readonly answeringMs: number;
  readonly warmup: Tally;
  readonly measured: Tally;
  readonly unsent: number;
  readonly accounts: Accounts | null;
  readonly upstreams: Readonly<Record<string, UpstreamReading>>;
  readonly operations: ReadonlyMap<string, number>;
  readonly rollout: RolloutReading | null;
  /** What went wrong besides requests; the test has failed when there is any. */
  readonly problems: readonly string[];
}

/** Runs load and scenario side by side, and compares both sides' counts. Throws when the gate cannot be read at first. */
export async function runLoadtest(options: LoadtestOptions): Promise<Measurement> {
  const { gate } = options;
  const before = gate === null ? null : await gate.read();
  const run = new Run(options, before);
  await run.drive();
  return run.measure(before);
}

class Run {
  readonly #options: LoadtestOptions;
  readonly #load: Load;
  readonly #sides: Sides;
  readonly #operations = new Map<string, number>();
  readonly #problems: string[] = [];
  readonly #over = new AbortController();
  #rollout: RolloutReading | null = null;

  constructor(options: LoadtestOptions, before: GateReading | null) {
    this.#options = options;
    this.#sides = {
      from: before === null ? '' : heaviest(before),
      to: options.to ?? '',
      weights: weightsOf(before?.upstreams ?? {}),
    };
    const durationMs = this.#openEnded ? null : options.load.durationMs;
    this.#load = new Load({ ...options.load, durationMs });
  }

  async drive(): Promise<void> {
    const { signal } = this.#options;
    const cut = () => this.#load.abort();
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    const watching = new AbortController();
    const progress = this.#report(watching.signal);
    try {
      const scenario = this.#scenario();
      await this.#load.finished;
      this.#over.abort();
      await scenario;
    } finally {
      signal.removeEventListener('abort', cut);
      watching.abort();
      await progress;
    }
  }

  async measure(before: GateReading | null): Promise<Measurement> {
    const { warmup, measured, measuredFromMs, endMs, unsent } = this.#load;
    // The last request is due and answered before the end of a load that was not cut short.
    const ended = this.#options.signal.aborted ? Math.min(endMs, monotonicMs()) : endMs;
    const after = before === null ? null : await this.#settled(before);
    const counts = { sent: warmup.sent + measured.sent, answered: warmup.answered + measured.answered };
    const known = before !== null && after !== null;
    const durationMs = Math.max(0, ended - measuredFromMs);
    return {
      durationMs,
      answeringMs: Math.max(durationMs, measured.lastAnswerMs - measuredFromMs),
      warmup,
      measured,
      unsent,
      accounts: known ? settleAccounts(counts, before, after) : null,
      upstreams: known ? upstreamGains(before, after) : {},
      operations: this.#operations,
      rollout: this.#rollout,
      problems: this.#problems,
    };
  }

  get #openEnded(): boolean {
    return ROLLOUT_SCENARIOS.has(this.#options.scenario);
  }

  /** Never rejects: what fails becomes a problem, and the load ends. */
  async #scenario(): Promise<void> {
    const { signal, load } = this.#options;
    await pause(this.#load.measuredFromMs - monotonicMs(), AbortSignal.any([signal, this.#over.signal]));
    try {
      if (!signal.aborted) await this.#operate();
      if (this.#openEnded) this.#load.endAt(Math.max(monotonicMs(), this.#load.measuredFromMs + load.durationMs));
    } catch (error) {
      this.#problems.push(error instanceof Error ? error.message : String(error));
      this.#load.endAt(monotonicMs());
    }
  }

  async #operate(): Promise<void> {
    const { gate, scenario, restart, plan, everyMs, signal } = this.#options;
    const done = (what: string) => this.#operations.set(what, (this.#operations.get(what) ?? 0) + 1);
    const stage: Stage = { everyMs, over: this.#over.signal, signal, done };
    if (scenario === 'restart-target' && restart !== null) await restarting(restart, stage);
    if (gate === null) return;
    if (scenario === 'switch') await switching(gate, this.#sides, stage);
    else if (scenario === 'reload') await reloading(gate, stage);
    else if (this.#openEnded) this.#rollout = await rollingOut(gate, { to: this.#sides.to, plan }, stage);
  }

  /** Once the gate has accounted for what it accepted; it does so a moment after the client has its answer. */
  async #settled(before: GateReading): Promise<GateReading | null> {
    const deadlineMs = monotonicMs() + SETTLE_MS;
    try {
      for (;;) {
        const reading = await this.#options.gate?.read();
        if (reading === undefined) return null;
        if (reading.inFlight <= before.inFlight || monotonicMs() > deadlineMs) return reading;
        await pause(LOOK_EVERY_MS, new AbortController().signal);
      }
    } catch (error) {
      this.#problems.push(`the gate could not be read at the end: ${error instanceof Error ? error.message : error}`);
      return null;
    }
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { load, onProgress } = this.#options;
    const startMs = this.#load.measuredFromMs - load.warmupMs;
    while (!signal.aborted) {
      const nowMs = monotonicMs();
      const { endMs, measured } = this.#load;
      onProgress({
        elapsedMs: nowMs - startMs,
        totalMs: endMs === Number.POSITIVE_INFINITY ? null : endMs - startMs,
        warmingUp: nowMs < this.#load.measuredFromMs,
        measured,
        operations: this.#operations,
      });
      await pause(LOOK_EVERY_MS, signal);
    }
  }
}

/** The upstream that most of the traffic goes to: where a switch begins and ends. */
export function heaviest(reading: GateReading): string {
  const sorted = Object.entries(reading.upstreams).toSorted(([, a], [, b]) => b.weight - a.weight);
  return sorted[0]?.[0] ?? reading.stable;
}

function weightsOf(upstreams: GateReading['upstreams']): Record<string, number> {
  return Object.fromEntries(Object.entries(upstreams).map(([name, { weight }]) => [name, weight]));
}
