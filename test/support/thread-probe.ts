import { writeSync } from 'node:fs';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

/**
 * Loaded into every thread of a gate (`--expose-gc --import`). On SIGUSR2 each collects its garbage and says what it holds;
 * the main thread writes that to standard output, one line for each thread, as an event of the log.
 */
const channel = new BroadcastChannel('thread-probe');
channel.unref();
channel.onmessage = ({ data }) => {
  // What comes over a channel of our own is what was posted below.
  const message = data as { readonly ask?: number; readonly line?: string };
  if (message.ask !== undefined) tell(message.ask);
  else if (message.line !== undefined && isMainThread) writeSync(1, message.line);
};

function tell(round: number): void {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const line = `${JSON.stringify({ event: 'probe', round, thread: threadId, heapBytes: heapUsed + external, resources })}\n`;
  if (isMainThread) writeSync(1, line);
  else channel.postMessage({ line });
}

if (isMainThread) {
  let rounds = 0;
  process.on('SIGUSR2', () => {
    rounds++;
    channel.postMessage({ ask: rounds });
    tell(rounds);
  });
}
