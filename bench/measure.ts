import { fileURLToPath } from 'node:url';
import type { Instance } from './instance.ts';
import type { Lab } from './lab.ts';
import { hostOf } from './layouts.ts';
import { runH2load } from './load/h2load.ts';
import { IdleConnections } from './load/idle.ts';
import type { OpenLoopOptions, OpenLoopResult } from './load/open-loop.ts';
import { type Operator, resetWeights, startRollout, switchAround } from './load/operator.ts';
import type { WebSocketOptions, WebSocketResult } from './load/websocket.ts';
import { runWrk } from './load/wrk.ts';
import type { Sample } from './sample.ts';
import type { Load, RequestSpec, Scenario } from './scenarios.ts';
import { runCommand } from './system/child.ts';
import { mostConnections } from './system/open-files.ts';

export interface Extent {
  readonly seconds: number;
  /** Of `paced` loads, requests a second. */
  readonly rate: number;
  readonly idleConnections: 'quick' | 'full';
}

const WEBSOCKET = fileURLToPath(new URL('./load/websocket.ts', import.meta.url));
const OPEN_LOOP = fileURLToPath(new URL('./load/open-loop.ts', import.meta.url));
/** Of a `paced` load at least: so long that the tail is made of more than a few moments. */
const PACED_SECONDS = 8;
/** The generator is compiled by then, and what the coming of its connections brought about is over. */
const PACED_WARM_UP_SECONDS = 2;
/** Of the connections that a proxy may have: the rest is for those before the idle ones. */
const IDLE_SHARE = 0.95;
/** After the connections stand, memory settles this long before it is read. */
const SETTLE_MS = 1500;
const MIB = 1024 * 1024;

/** Runs a scenario once. */
export async function measure(scenario: Scenario, instance: Instance, extent: Extent): Promise<Sample> {
  const operator = await startOperator(scenario, instance);
  const sample = await measureLoad(scenario.load, instance, extent);
  if (operator === null) return sample;
  const changeMs = await operator.stop();
  if (scenario.during === 'switches') await resetWeights(instance.adminPort);
  return changeMs > 0 ? { ...sample, changeMs } : sample;
}

async function startOperator({ during }: Scenario, { adminPort }: Instance): Promise<Operator | null> {
  if (during === undefined) return null;
  return during === 'switches' ? switchAround(adminPort) : startRollout(adminPort);
}

function measureLoad(load: Load, instance: Instance, extent: Extent): Promise<Sample> {
  switch (load.kind) {
    case 'closed':
      return measureClosed(load, instance, extent);
    case 'h2':
      return measureH2(load, instance, extent);
    case 'paced':
      return measurePaced(load, instance, extent);
    case 'websocket':
      return measureWebSocket(load, instance, extent);
    case 'idle':
      return measureIdle(load.connections[extent.idleConnections], instance);
  }
}

async function measureClosed(
  load: Load & { kind: 'closed' },
  instance: Instance,
  { seconds }: Extent,
): Promise<Sample> {
  const { port, directory, layout } = instance;
  const services = load.spread === true ? layout.services : 1;
  const options = { port, directory, seconds, services, secure: layout.protocol === 'https', ...load };
  const [result, cpu] = await metered(instance, () => runWrk(options));
  return {
    ...perOperation(cpu, result.requests),
    perSecond: result.requests / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    residentMiB: instance.residentBytes() / MIB,
    errors: result.errors,
  };
}

async function measureH2(load: Load & { kind: 'h2' }, instance: Instance, { seconds }: Extent): Promise<Sample> {
  const [result, cpu] = await metered(instance, () => runH2load({ port: instance.port, seconds, ...load }));
  return {
    ...perOperation(cpu, result.requests),
    perSecond: result.requests / result.seconds,
    residentMiB: instance.residentBytes() / MIB,
    errors: result.errors,
  };
}

async function measurePaced(load: Load & { kind: 'paced' }, instance: Instance, extent: Extent): Promise<Sample> {
  const [result, cpu] = await metered(instance, () => runPaced(load, instance.port, extent));
  return {
    ...perOperation(cpu, result.requests),
    ...pacedSample(result, extent),
    residentMiB: instance.residentBytes() / MIB,
  };
}

/** What the generator and a target of `lab` take for the same load without a proxy between them. */
export async function measureUnproxied(load: Load & { kind: 'paced' }, lab: Lab, extent: Extent): Promise<Sample> {
  const [port = 0] = lab.targets.files;
  return pacedSample(await runPaced(load, port, extent), extent);
}

function runPaced(load: Load & { kind: 'paced' }, port: number, { seconds, rate }: Extent): Promise<OpenLoopResult> {
  const { request, connections } = load;
  const options: OpenLoopOptions = {
    port,
    request: wireText(request),
    rate,
    seconds: Math.max(seconds, PACED_SECONDS),
    warmUpSeconds: PACED_WARM_UP_SECONDS,
    connections,
  };
  return runLoad<OpenLoopResult>(OPEN_LOOP, options);
}

function pacedSample(result: OpenLoopResult, { rate }: Extent): Sample {
  const { p50Ms, p99Ms, p999Ms, calmP99Ms, perSecond, errors } = result;
  return { p50Ms, p99Ms, p999Ms, calmP99Ms, errors, achieved: perSecond / rate };
}

async function measureWebSocket(
  load: Load & { kind: 'websocket' },
  instance: Instance,
  { seconds }: Extent,
): Promise<Sample> {
  const { connections, messageBytes } = load;
  const options: WebSocketOptions = { port: instance.port, host: hostOf(0), seconds, connections, messageBytes };
  const [result, cpu] = await metered(instance, () => runLoad<WebSocketResult>(WEBSOCKET, options));
  return {
    ...perOperation(cpu, result.messages),
    perSecond: result.messages / result.seconds,
    residentMiB: instance.residentBytes() / MIB,
    errors: result.errors,
  };
}

/** The instance is a fresh one: memory that a heap has grown by and keeps would hide what connections cost. */
async function measureIdle(wanted: number, instance: Instance): Promise<Sample> {
  const count = Math.min(wanted, Math.floor(mostConnections() * IDLE_SHARE));
  const { port, directory } = instance;
  const request: RequestSpec = { method: 'GET', path: '/', headers: {}, bodyBytes: 0, chunked: false };
  await runWrk({ port, directory, request, connections: 64, services: 1, seconds: 1 });
  await settle();
  const bytesBefore = instance.residentBytes();
  const idle = new IdleConnections();
  await idle.open(port, count, wireText(request));
  await settle();
  const bytes = instance.residentBytes();
  const { lost } = idle;
  idle.close();
  return { connections: count, connectionBytes: (bytes - bytesBefore) / count, residentMiB: bytes / MIB, errors: lost };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

async function metered<T>(
  instance: Instance,
  run: () => Promise<T>,
): Promise<[T, { userUs: number; systemUs: number }]> {
  const before = instance.cpuTime();
  const result = await run();
  const after = instance.cpuTime();
  return [result, { userUs: after.userUs - before.userUs, systemUs: after.systemUs - before.systemUs }];
}

function perOperation(cpu: { userUs: number; systemUs: number }, operations: number): Sample {
  const count = Math.max(operations, 1);
  return {
    cpuUs: (cpu.userUs + cpu.systemUs) / count,
    userUs: cpu.userUs / count,
    systemUs: cpu.systemUs / count,
  };
}

async function runLoad<T>(script: string, options: unknown): Promise<T> {
  return JSON.parse(await runCommand([process.execPath, script, JSON.stringify(options)])) as T; // our own scripts' output
}

function wireText({ method, path, headers }: RequestSpec): string {
  const fields = Object.entries({ Host: hostOf(0), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${fields.join('')}\r\n`;
}
