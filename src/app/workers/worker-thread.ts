import { Worker } from 'node:worker_threads';
import { TealgateError } from '../../platform/errors.ts';
import { entryUrl } from '../../platform/location.ts';
import type { FromWorker, ListenerOptions, ToWorker, WorkerStart } from '../../proxy/messages.ts';
import { listenError } from './listen-error.ts';

export interface BoundAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** One life of a worker thread: from its start to its exit. */
export interface WorkerThread {
  /** Resolves with why it ended, once. */
  readonly exited: Promise<WorkerExit>;
  /** Resolves when it serves. Rejects when it cannot listen or ends before. */
  readonly listening: Promise<readonly BoundAddress[]>;
  /** Resolves when it has installed this version or a later one, or has ended. */
  install(message: Extract<ToWorker, { type: 'snapshot' }>): Promise<void>;
  /** Resolves when it listens on these and no others. Rejects as `listening` does. */
  listen(listeners: readonly ListenerOptions[], spreadMs: number): Promise<readonly BoundAddress[]>;
  /** Resolves when nothing is left in it, or it has ended. */
  drain(limits: DrainLimits): Promise<void>;
  terminate(): Promise<void>;
}

export interface DrainLimits {
  /** What is left then is cut; monotonic. */
  readonly cutAtMs: number;
  /** Longest time over which idle clients are let go. */
  readonly spreadMs: number;
}

export interface WorkerExit {
  readonly code: number;
  /** What it threw, when it did. */
  readonly error: unknown;
}

/** What a worker says on its own account. */
export type WorkerReport = Extract<FromWorker, { type: 'fuse' | 'access' | 'log' }>;

/** A worker that has not done what it was asked to for so long hangs in a loop and is ended; a restart is shorter. */
const STUCK_MS = 10_000;

const ENTRY = entryUrl('proxy/worker');

export function startThread(start: WorkerStart, onReport: (report: WorkerReport) => void): WorkerThread {
  const thread = new Worker(ENTRY, { workerData: start, name: `tealgate-worker-${start.index}` });
  const { promise: exited, resolve: resolveExited } = Promise.withResolvers<WorkerExit>();
  const { promise: drained, resolve: resolveDrained } = Promise.withResolvers<void>();
  /** Of what it was asked to listen on, in order, since so are its answers; the first is its start. */
  const asked: PromiseWithResolvers<readonly BoundAddress[]>[] = [];
  let ended: TealgateError | null = null;
  let installs: { readonly version: number; readonly resolve: () => void }[] = [];
  let installed = 0;
  let wanted = start.listeners;
  let error: unknown;

  const settleInstalls = (version: number): void => {
    installed = Math.max(installed, version);
    for (const waiting of installs) if (waiting.version <= installed) waiting.resolve();
    installs = installs.filter((waiting) => waiting.version > installed);
  };

  const addressOf = (id: number): { host: string; port: number } => {
    const listener = wanted.find((each) => each.id === id);
    return { host: listener?.host ?? '', port: listener?.port ?? 0 };
  };

  thread.on('message', (message: FromWorker) => {
    switch (message.type) {
      case 'listening':
        return asked.shift()?.resolve(message.addresses);
      case 'listen_failed':
        return asked
          .shift()
          ?.reject(listenError({ ...addressOf(message.id), code: message.code, cause: message.message }));
      case 'installed':
        return settleInstalls(message.version);
      case 'drained':
        return resolveDrained();
      default:
        return onReport(message);
    }
  });
  thread.on('error', (thrown) => {
    error = thrown;
  });
  thread.once('exit', (code) => {
    settleInstalls(Infinity);
    resolveDrained();
    ended = new TealgateError('internal', 'a worker ended before it could listen', { cause: error });
    for (const waiting of asked.splice(0)) waiting.reject(ended);
    resolveExited({ code, error });
  });

  const unlessStuck = <T>(waiting: Promise<T>): Promise<T> => {
    const stuck = setTimeout(() => void thread.terminate(), STUCK_MS);
    return waiting.finally(() => clearTimeout(stuck));
  };

  const post = (message: ToWorker): void => thread.postMessage(message);
  const answer = (): Promise<readonly BoundAddress[]> => {
    const waiting = Promise.withResolvers<readonly BoundAddress[]>();
    waiting.promise.catch(() => undefined); // whoever waits for it sees the rejection; nobody has to
    if (ended === null) asked.push(waiting);
    else waiting.reject(ended);
    return waiting.promise;
  };

  return {
    exited,
    listening: answer(),
    install(message) {
      const { promise, resolve } = Promise.withResolvers<void>();
      installs.push({ version: message.snapshot.version, resolve });
      post(message);
      return unlessStuck(promise);
    },
    listen(listeners, spreadMs) {
      wanted = listeners;
      post({ type: 'listeners', listeners, spreadMs });
      return unlessStuck(answer());
    },
    drain(limits) {
      post({ type: 'drain', ...limits });
      return drained;
    },
    async terminate() {
      await thread.terminate();
    },
  };
}
