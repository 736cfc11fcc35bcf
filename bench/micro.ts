/**
 * What each piece of the request path costs by itself: nanoseconds, and bytes allocated on the heap, per operation.
 *
 *     npm run bench:micro
 *
 * Median of several runs, least in brackets. Bytes are counted by V8, not sampled.
 */
import { getHeapStatistics } from 'node:v8';
import { PIECES } from './micro/pieces.ts';
import { spread } from './statistics.ts';

const RUNS = 7;
/** Each run lasts about this long, so that the clock and a collection weigh little. */
const RUN_MS = 100;
const WARM_UP_OPERATIONS = 20_000;

interface Cost {
  readonly ns: number;
  readonly bytes: number;
}

function main(): void {
  console.log(`Node.js ${process.version}, ${RUNS} runs\n`);
  console.log(`${'operation'.padEnd(44)}${'ns'.padStart(20)}${'bytes'.padStart(10)}`);
  for (const { name, run } of PIECES) {
    run(WARM_UP_OPERATIONS);
    const operations = calibrate(run);
    const costs = Array.from({ length: RUNS }, () => measure(run, operations));
    const ns = spread(costs.map((cost) => cost.ns));
    const bytes = spread(costs.map((cost) => cost.bytes));
    if (ns === null || bytes === null) continue;
    const time = `${ns.median.toFixed(1)} (${ns.min.toFixed(1)})`;
    console.log(`${name.padEnd(44)}${time.padStart(20)}${bytes.median.toFixed(1).padStart(10)}`);
  }
}

function calibrate(run: (operations: number) => void): number {
  const { ns } = measure(run, WARM_UP_OPERATIONS);
  return Math.max(Math.round((RUN_MS * 1e6) / Math.max(ns, 1)), 1000);
}

function measure(run: (operations: number) => void, operations: number): Cost {
  globalThis.gc?.();
  const bytesBefore = allocatedBytes();
  const startMs = performance.now();
  run(operations);
  const ms = performance.now() - startMs;
  return { ns: (ms * 1e6) / operations, bytes: (allocatedBytes() - bytesBefore) / operations };
}

/** Ever allocated on the heap of this thread; 0 where Node.js does not count it. */
function allocatedBytes(): number {
  return (getHeapStatistics() as { total_allocated_bytes?: number }).total_allocated_bytes ?? 0;
}

main();
