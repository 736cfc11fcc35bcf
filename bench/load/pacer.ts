/**
 * Wakes the open-loop generator every tick: a timer of the event loop is a millisecond wide, a futex wait is not. Runs
 * as a worker thread; `workerData` is `{ tickMs, stop }`.
 */
import { parentPort, workerData } from 'node:worker_threads';

const { tickMs, stop } = workerData as { readonly tickMs: number; readonly stop: Int32Array };

let next = performance.now() + tickMs;
while (Atomics.load(stop, 0) === 0) {
  const leftMs = next - performance.now();
  if (leftMs > 0) Atomics.wait(stop, 0, 0, leftMs);
  parentPort?.postMessage(0);
  next = Math.max(next + tickMs, performance.now());
}
