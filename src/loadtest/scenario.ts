import { monotonicMs } from '../platform/clock.ts';
import type { GatePort, RolloutReading } from './gate-port.ts';
import { pause } from './pause.ts';

const LOOK_EVERY_MS = 100;

/** What a scenario works with. */
export interface Stage {
  readonly everyMs: number;
  /** Aborted when the load ends: the scenario finishes the operation it is at. */
  readonly over: AbortSignal;
  /** Aborted when all is to end at once. */
  readonly signal: AbortSignal;
  /** Something was done: `switches`, `reloads`, `restarts`. */
  done(what: string): void;
}

/** What a scenario moves traffic between. */
export interface Sides {
  readonly from: string;
  readonly to: string;
  /** Of every upstream, as they were before. */
  readonly weights: Readonly<Record<string, number>>;
}

/** Back and forth between two upstreams; ends where it began, also when an operation fails. */
export async function switching(gate: GatePort, sides: Sides, stage: Stage): Promise<void> {
  let at = sides.from;
  let moved = false;
  const operating = repeat(stage, async () => {
    const next = at === sides.from ? sides.to : sides.from;
    await gate.switchTo(next);
    at = next;
    moved = true;
    stage.done('switches');
  });
  const [operated] = await Promise.allSettled([operating]);
  if (moved) await putBack(gate, sides, at);
  if (operated.status === 'rejected') throw operated.reason;
}

async function putBack(gate: GatePort, { from, weights }: Sides, at: string): Promise<void> {
  const split = Object.values(weights).filter((weight) => weight > 0).length > 1;
  try {
    if (split) await gate.setWeights(weights);
    else if (at !== from) await gate.switchTo(from);
  } catch (error) {
    const before = Object.entries(weights).map(([name, weight]) => `${name}=${weight}`);
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the weights before the test, ${before.join(' ')}, were not put back: ${why}`, { cause: error });
  }
}

/** A reload of an unchanged file is harmless as well, and must be. */
export async function reloading(gate: GatePort, stage: Stage): Promise<void> {
  await repeat(stage, async () => {
    const mistakes = await gate.reload();
    if (mistakes.length > 0) throw new Error(`the reload failed: ${mistakes.join('; ')}`);
    stage.done('reloads');
  });
}

/** `restart` ends a process without warning and resolves when it is healthy again. */
export async function restarting(restart: (signal: AbortSignal) => Promise<void>, stage: Stage): Promise<void> {
  await repeat(stage, async () => {
    await restart(stage.signal);
    stage.done('restarts');
  });
}

/** Starts a rollout and waits for its end, whatever that is. When all is to end at once, the rollout is aborted. */
export async function rollingOut(
  gate: GatePort,
  rollout: { readonly to: string; readonly plan: Readonly<Record<string, unknown>> },
  stage: Stage,
): Promise<RolloutReading> {
  const id = await gate.startRollout(rollout.to, rollout.plan);
  for (;;) {
    const reading = await gate.rollout(id);
    if (reading.ended) return reading;
    if (stage.signal.aborted) {
      // Nothing goes on unwatched.
      await gate.abortRollout();
      return gate.rollout(id);
    }
    await pause(LOOK_EVERY_MS, stage.signal);
  }
}

/** At fixed times, whatever each operation takes; the first one an interval after the start. */
async function repeat({ everyMs, over, signal }: Stage, operate: () => Promise<void>): Promise<void> {
  const startMs = monotonicMs();
  const either = AbortSignal.any([over, signal]);
  for (let n = 1; ; n++) {
    await pause(startMs + n * everyMs - monotonicMs(), either);
    if (either.aborted) return;
    await operate();
  }
}
