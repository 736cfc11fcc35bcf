import { fileURLToPath } from 'node:url';
import { RunningGate } from './command.ts';
import { type GateFile, until } from './gate.ts';
import { readVitals, type Vitals } from './vitals.ts';

const PROBE = fileURLToPath(new URL('./thread-probe.ts', import.meta.url));

/** What a gate at rest holds on to, its garbage collected. */
export interface Holdings extends Vitals {
  /** Live memory of all threads, off-heap buffers included. */
  readonly heapBytes: number;
  /** What keeps the event loops of all threads busy, by kind; timers apart from the rest. */
  readonly timers: number;
  readonly handles: number;
}

/** A gate whose threads tell what they hold. */
export function startProbed(file: GateFile): Promise<RunningGate> {
  return RunningGate.start(file, { nodeArguments: ['--expose-gc', '--import', PROBE] });
}

/** Asks a gate of `workers` workers; twice, so that what the first collection let go is gone. */
export async function holdings(gate: RunningGate, workers: number): Promise<Holdings> {
  await ask(gate, workers + 1);
  const threads = await ask(gate, workers + 1);
  const sum = (of: (thread: Told) => number): number => threads.reduce((total, thread) => total + of(thread), 0);
  const isTimer = (kind: string): boolean => kind === 'Timeout';
  const isHandle = (kind: string): boolean => !isTimer(kind) && kind !== 'Immediate'; // those are over in the same turn
  const count = (thread: Told, wanted: (kind: string) => boolean): number =>
    Object.entries(thread.resources).reduce((total, [kind, n]) => total + (wanted(kind) ? n : 0), 0);
  return {
    ...readVitals(gate.pid),
    heapBytes: sum(({ heapBytes }) => heapBytes),
    timers: sum((thread) => count(thread, isTimer)),
    handles: sum((thread) => count(thread, isHandle)),
  };
}

interface Told {
  readonly round: number;
  readonly heapBytes: number;
  readonly resources: Readonly<Record<string, number>>;
}

async function ask(gate: RunningGate, threads: number): Promise<readonly Told[]> {
  const told = (): readonly Told[] => gate.log.filter(({ event }) => event === 'probe') as unknown as readonly Told[]; // as the probe writes them
  const round = Math.max(0, ...told().map((each) => each.round)) + 1;
  const ofRound = (): readonly Told[] => told().filter((each) => each.round === round);
  gate.process.kill('SIGUSR2');
  await until(() => ofRound().length === threads, 'every thread to say what it holds', 30_000);
  return ofRound();
}
