import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Overview, ServiceView, TargetView, UpstreamView } from '../../src/app/control-plane.ts';
import type { Io } from '../../src/cli/io.ts';
import { execute } from '../../src/cli/program.ts';
import type { Position, Rollout } from '../../src/rollout/rollout.ts';
import { OUTCOMES } from '../../src/traffic/ledger.ts';
import { ERROR_RATE } from './guards.ts';

/** What one invocation left behind. */
export interface Invocation {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface InvocationOptions {
  readonly tty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Sees stdout as it grows. */
  readonly onStdout?: (all: string) => void;
}

/** Runs the command-line tool in this process. */
export async function cli(argv: readonly string[], options: InvocationOptions = {}): Promise<Invocation> {
  let stdout = '';
  let stderr = '';
  const isTTY = options.tty === true;
  const io: Io = {
    stdout: {
      write: (text) => {
        stdout += text;
        options.onStdout?.(stdout);
      },
      isTTY,
      columns: 140,
      rows: 40,
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
      isTTY,
      columns: 140,
      rows: 40,
    },
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
    serving: () => undefined,
  };
  const code = await execute(argv, io);
  return { code, stdout, stderr };
}

/** A call that the admin endpoint received. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface AdminServer {
  readonly url: string;
  readonly calls: readonly Call[];
  close(): Promise<void>;
}

type Handler = (call: Call, response: ServerResponse) => void;

/** An HTTP server that answers as the admin API would; `handle` writes the answers. */
export async function adminServer(handle: Handler, listen: number | string = 0): Promise<AdminServer> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const call: Call = { method, path: url, headers, body: text === '' ? null : JSON.parse(text) };
      calls.push(call);
      handle(call, response);
    });
  });
  await new Promise<void>((resolve) => {
    if (typeof listen === 'number') server.listen(listen, '127.0.0.1', resolve);
    else server.listen(listen, resolve);
  });
  return { url: urlOf(server), calls, close: () => close(server) };
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(value));
}

export function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  json(response, { type: `urn:tealgate:error:${code}`, title: code, status, detail, code }, status);
}

export function overviewOf(...services: readonly ServiceView[]): Overview {
  return {
    version: 12,
    startedAt: 1_700_000_000_000,
    workers: [{ index: 0, state: 'serving', restarts: 0 }],
    config: { path: 'tealgate.yaml', lastReloadSuccessful: true, loadedAt: 1_700_000_000_000, errors: [], changes: [] },
    unrouted: emptyLedger(),
    services: Object.fromEntries(services.map((service) => [service.name, service])),
  };
}

/** `shop`: blue 95, green 5, both with one healthy target. */
export function serviceOf(changes: Partial<ServiceView> = {}): ServiceView {
  return {
    name: 'shop',
    version: 12,
    hosts: [],
    paths: ['/'],
    stable: 'blue',
    upstreams: {
      blue: upstreamOf({ name: 'blue', role: 'stable', weight: 95 }),
      green: upstreamOf({ name: 'green', role: 'candidate', weight: 5 }),
    },
    rollout: null,
    rollouts: [],
    ledger: emptyLedger(),
    overrides: [],
    ...changes,
  };
}

export function upstreamOf(changes: Partial<UpstreamView>): UpstreamView {
  return {
    name: 'blue',
    role: 'idle',
    weight: 0,
    admin: 'enabled',
    drain: null,
    inFlight: 0,
    upgrades: 0,
    pins: 0,
    requests: 1000,
    trials: 1000,
    errors: 0,
    retries: 0,
    latencyMs: { p50: 2.5, p99: 12 },
    recentLatencyMs: { p50: 2, p99: 9.5 },
    targets: [targetOf({})],
    ...changes,
  };
}

export function targetOf(changes: Partial<TargetView>): TargetView {
  return {
    url: 'http://127.0.0.1:3001',
    health: 'healthy',
    admin: 'enabled',
    ejection: { ejected: false, untilAt: null },
    inFlight: 0,
    upgrades: 0,
    connections: 1,
    attempts: 1000,
    failures: 0,
    probes: [],
    ...changes,
  };
}

export function rolloutOf(position: Position, changes: Partial<Rollout> = {}): Rollout {
  return {
    id: 'r1',
    service: 'shop',
    from: 'blue',
    to: 'green',
    plan: {
      strategy: 'canary',
      smoke: [],
      stages: [
        { weight: 5, holdMs: 1_800_000 },
        { weight: 100, holdMs: 0 },
      ],
      guards: [ERROR_RATE],
    },
    actor: 'loopback',
    startedAt: 1_700_000_000_000,
    position,
    counts: { candidate: { trials: 40, errors: 0 }, stable: { trials: 760, errors: 0 } },
    guards: [],
    guardStates: {},
    transitions: [],
    ...changes,
  };
}

function emptyLedger(): ServiceView['ledger'] {
  const outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  // Every outcome has a key: they were made from OUTCOMES.
  return { accepted: 0, inFlight: 0, outcomes: outcomes as ServiceView['ledger']['outcomes'] };
}

function urlOf(server: Server): string {
  const address = server.address();
  return typeof address === 'string' ? `unix:${address}` : `http://127.0.0.1:${(address as AddressInfo).port}`;
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
