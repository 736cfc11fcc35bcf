import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { request as requestSecurely } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGate } from '../../src/app/gate.ts';
import type { Gate } from '../../src/app/running-gate.ts';
import type { LineSink } from '../../src/telemetry/stdout.ts';

type Json = Readonly<Record<string, unknown>>;

/** The file of a gate, written as JSON, which is YAML. Listener, admin and store are filled in. */
export interface GateFile {
  readonly services: Readonly<Record<string, Json>>;
  readonly [key: string]: unknown;
}

/** A gate in this process with real workers, its file in a directory of its own. */
export interface TestGate extends AsyncDisposable {
  readonly gate: Gate;
  readonly control: Gate['control'];
  readonly directory: string;
  readonly url: string;
  readonly adminUrl: string;
  /** Log lines so far, parsed. */
  readonly log: readonly Json[];
  /** Writes another file, without waiting for the gate to see it. */
  write(file: GateFile): Promise<void>;
}

const BASE = {
  listeners: [{ address: '127.0.0.1:0' }],
  admin: { address: '127.0.0.1:0' },
  store: { path: './state.db' },
  accessLog: false,
  shutdown: { drainTimeout: '5s' },
};

export async function writeGateFile(directory: string, file: GateFile): Promise<string> {
  const path = join(directory, 'tealgate.yaml');
  await writeFile(path, JSON.stringify({ ...BASE, ...file }, null, 2));
  return path;
}

export async function openGate(file: GateFile): Promise<TestGate> {
  const directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
  const log: Json[] = [];
  const configPath = await writeGateFile(directory, file);
  const gate = await startGate({ configPath, stdout: collect(log) });
  const admin = 'port' in gate.admin ? gate.admin.port : 0;
  return {
    gate,
    control: gate.control,
    directory,
    url: `http://127.0.0.1:${gate.addresses[0]?.port}`,
    adminUrl: `http://127.0.0.1:${admin}`,
    log,
    write: async (next) => void (await writeGateFile(directory, next)),
    async [Symbol.asyncDispose]() {
      await gate.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function collect(log: Json[]): LineSink {
  const add = (lines: string): void => {
    for (const line of lines.split('\n')) if (line !== '') log.push(JSON.parse(line));
  };
  return { write: add, writeAccess: (lines) => add(Buffer.from(lines).toString()), flush: () => Promise.resolve() };
}

/** A target on a free port of 127.0.0.1. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Requests so far. */
  readonly requests: number;
  close(): Promise<void>;
}

/** `keepAliveMs`: how long it keeps an idle connection; the default of Node.js. */
export async function openTarget(answer: RequestListener | string, port = 0, keepAliveMs = 5_000): Promise<Target> {
  let requests = 0;
  const listener: RequestListener = typeof answer === 'string' ? (_, response) => response.end(answer) : answer;
  const server = createServer((incoming, response) => {
    requests++;
    listener(incoming, response);
  });
  server.keepAliveTimeout = keepAliveMs;
  await listen(server, port);
  const bound = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    get requests() {
      return requests;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export function get(url: string, options: { agent?: Agent; headers?: Record<string, string> } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? requestSecurely : request;
    const outgoing = send(url, { agent: options.agent ?? false, headers: options.headers ?? {} }, (response) => {
      readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return body;
}

/** Steady load over keep-alive connections, until it is told to stop. */
export interface Load {
  /** How often each answer came: the body of a 200, else the status; errors by their code. */
  readonly answers: ReadonlyMap<string, number>;
  readonly sent: number;
  stop(): Promise<void>;
}

/** `agent`: keeps connections alive; one of its own unless given. */
export function startLoad(
  url: string,
  connections: number,
  agent = new Agent({ keepAlive: true, maxSockets: connections }),
): Load {
  const answers = new Map<string, number>();
  let sent = 0;
  let stopped = false;
  const client = async (): Promise<void> => {
    while (!stopped) {
      sent++;
      const answer = await get(url, { agent }).then(
        ({ status, body }) => (status === 200 ? body : String(status)),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      );
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  const clients = Array.from({ length: connections }, client);
  return {
    answers,
    get sent() {
      return sent;
    },
    async stop() {
      stopped = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

/** Resolves once `check` holds, which is asked again and again, one call at a time; fails after `ms`. */
export async function until(check: () => boolean | Promise<boolean>, what: string, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
