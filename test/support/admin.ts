import { request } from 'node:http';
import { connect } from 'node:net';
import { type AdminOptions, type AdminServer, startAdmin } from '../../src/admin/server.ts';
import type { AdminConfig } from '../../src/config/config.ts';
import { createLogger } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { FakeControlPlane } from './fake-control-plane.ts';

export interface TestAdmin {
  readonly gate: FakeControlPlane;
  readonly server: AdminServer;
  readonly port: number;
  /** Parsed log lines. */
  readonly logged: Record<string, unknown>[];
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<CallAnswer>;
  /** Sends bytes as they are; resolves with what came back when the server closes the connection. */
  readonly sendRaw: (bytes: string | Buffer) => Promise<string>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly headers?: Record<string, string | string[]>;
  /** Sent as JSON, unless it is text or bytes. */
  readonly body?: unknown;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  /** Parsed body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever an answer should have
  readonly json: any;
}

export async function openAdmin(
  config: Partial<AdminConfig> = {},
  options: Pick<AdminOptions, 'requestTimeoutMs'> = {},
): Promise<TestAdmin> {
  const gate = new FakeControlPlane();
  const logged: Record<string, unknown>[] = [];
  const log = createLogger({ destination: { write: (line) => void logged.push(JSON.parse(line)) } });
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const full = { address, tokens: [], hosts: [], externalUrl: null, ...config };
  const server = await startAdmin({ control: gate, metrics: createMetrics(gate), config: full, log, ...options });
  const port = 'port' in server.address ? server.address.port : 0;
  return {
    gate,
    server,
    port,
    logged,
    call: (method, path, options) => call(server, method, path, options),
    sendRaw: (bytes) => sendRaw(port, bytes),
    close: () => server.close(),
  };
}

/** Waits for what the event loop brings; the test's own timeout bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function call(server: AdminServer, method: string, path: string, options: CallOptions = {}): Promise<CallAnswer> {
  const body = encode(options.body);
  const type = body === null ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) };
  const to = 'path' in server.address ? { socketPath: server.address.path } : { ...server.address };
  return new Promise((resolve, reject) => {
    const sent = request({ ...to, method, path, headers: { ...type, ...options.headers }, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = /json/.test(answer.headers['content-type'] ?? '') && text !== '' ? JSON.parse(text) : undefined;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json });
      });
    });
    sent.once('error', reject);
    sent.end(body ?? undefined);
  });
}

function encode(body: unknown): Buffer | null {
  if (body === undefined) return null;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(text));
  });
}
