import { randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { Deadlines } from '../http1/deadlines.ts';
import { monotonicMs, readClockMs } from '../platform/clock.ts';
import { AccessLog } from './access-log.ts';
import { Listener } from './entrance/listener.ts';
import { Farewells, farewellWindow } from './farewell.ts';
import { Gateway } from './gateway.ts';
import type { FromWorker, ListenerOptions, ToWorker, WorkerStart } from './messages.ts';
import { RoutingTable, type TableOptions } from './routing-table.ts';

/** How late a deadline may be met. */
const SWEEP_MS = 100;
/** What was cut at the deadline gets this long to send the end of its answer. */
const CUT_GRACE_MS = 300;

const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('proxy/worker.ts runs as a worker thread');
const send = (message: FromWorker): void => port.postMessage(message);

const instance = start.instance ?? randomBytes(4).toString('hex');
/** Differs between the lives of a worker, as its requests are counted from 1 in each. */
const idPrefix = `${instance}-${start.index.toString(36)}${(Date.now() % 0x7fffffff).toString(36)}-`;
const accessLog = start.accessLog ? new AccessLog(idPrefix, sendLines) : null;
const clockOffsetMs = monotonicMs() - performance.now();
const deadlines = new Deadlines();
const tableOptions: TableOptions = { worker: start.index, deadlines, clockOffsetMs };
const gateway = new Gateway({
  table: new RoutingTable({ version: 0, services: [], retired: [] }, null, tableOptions),
  deadlines,
  worker: start.index,
  unrouted: start.unrouted,
  accessLog,
  instance,
  idPrefix,
  onFuse: (service) => send({ type: 'fuse', service: service.route.name, fuseId: service.fuse?.fuse.id ?? 0 }),
  warn: (event, message, fields) => send({ type: 'log', level: 'warn', event, message, fields }),
});
const ticketKeys = Buffer.from(start.ticketKeys ?? randomBytes(48));
const listeners = new Map<number, Listener>();
/** Taken out by a reload; their connections live on. */
const removed = new Set<Listener>();
let drained = false;
/** One change of the listeners after another, so that none finds the other's half done. */
let listening = Promise.resolve();

install(start.snapshot);
await listen(start.listeners, 0);
port.on('message', onMessage);
let sweeps = 0;
// Behind a look at what has come: on a busy machine, whoever is late may be so for our own being late to read.
setInterval(() => setImmediate(sweep), SWEEP_MS);

/** The octets move to the control plane's thread, and are not copied. */
function sendLines(lines: Uint8Array<ArrayBuffer>): void {
  const message: FromWorker = { type: 'access', lines };
  port?.postMessage(message, [lines.buffer]);
}

function onMessage(message: ToWorker): void {
  switch (message.type) {
    case 'snapshot':
      install(message.snapshot);
      send({ type: 'installed', version: message.snapshot.version });
      return;
    case 'listeners':
      listening = listening.then(() => listen(message.listeners, message.spreadMs));
      return;
    case 'drain':
      drain(message.cutAtMs - clockOffsetMs, message.spreadMs);
      return;
  }
}

function install(snapshot: WorkerStart['snapshot']): void {
  gateway.install(new RoutingTable(snapshot, gateway.table, tableOptions));
}

/** Brings the listeners to what is wanted; clients of those that go are let go over `spreadMs`. */
async function listen(wanted: readonly ListenerOptions[], spreadMs: number): Promise<void> {
  const failures = await Promise.all(wanted.map(open));
  const failure = failures.find((each) => each !== null);
  if (failure !== undefined) return send(failure);
  // Not before: where a new one cannot be opened, clients of the old ones must not notice.
  const ids = new Set(wanted.map(({ id }) => id));
  for (const [id, listener] of listeners) if (!ids.has(id)) remove(id, listener, spreadMs);
  const addresses = [...listeners.values()].map(({ id, host, port: bound }) => ({ id, host, port: bound }));
  send({ type: 'listening', addresses });
}

function remove(id: number, listener: Listener, spreadMs: number): void {
  listener.close();
  listeners.delete(id);
  removed.add(listener);
  const window = farewellWindow(spreadMs, listener.size, Number.POSITIVE_INFINITY);
  listener.dismiss(new Farewells(performance.now(), window));
}

/** What to answer where it cannot be opened or changed; else null. */
async function open(options: ListenerOptions): Promise<FromWorker | null> {
  try {
    const existing = listeners.get(options.id);
    if (existing !== undefined) {
      existing.update(options);
      return null;
    }
    const listener = new Listener(options, gateway, ticketKeys);
    await listener.listen(start.reusePort);
    listeners.set(options.id, listener);
    return null;
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    return { type: 'listen_failed', id: options.id, code, message };
  }
}

function drain(cutAtMs: number, spreadMs: number): void {
  gateway.drain(cutAtMs);
  for (const listener of listeners.values()) listener.close();
  const everyListener = [...listeners.values(), ...removed];
  const connections = everyListener.reduce((sum, listener) => sum + listener.size, 0);
  const nowMs = performance.now();
  const farewells = new Farewells(nowMs, farewellWindow(spreadMs, connections, cutAtMs - nowMs));
  for (const listener of everyListener) listener.dismiss(farewells);
}

/** What is idle makes room for what is wanted. */
function relieve(everyListener: readonly Listener[]): void {
  gateway.relieve();
  for (const listener of everyListener) listener.relieve();
}

function sweep(): void {
  const nowMs = readClockMs();
  gateway.sweep(nowMs);
  const everyListener = [...listeners.values(), ...removed];
  if (gateway.short) relieve(everyListener);
  for (const listener of everyListener) listener.sweep(nowMs);
  for (const listener of removed) if (listener.empty) removed.delete(listener);
  if (nowMs >= gateway.cutAtMs + CUT_GRACE_MS) for (const listener of everyListener) listener.closeAll();
  if (++sweeps % (1000 / SWEEP_MS) === 0) {
    gateway.table.refillBudgets();
    gateway.countPins(nowMs);
  }
  const isEmpty = everyListener.every(({ empty }) => empty) && gateway.upgrades.size === 0;
  if (!gateway.draining || drained || !isEmpty) return;
  drained = true;
  accessLog?.close();
  send({ type: 'drained' });
}
