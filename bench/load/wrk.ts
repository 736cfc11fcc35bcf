import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostOf } from '../layouts.ts';
import type { RequestSpec } from '../scenarios.ts';
import { runCommand } from '../system/child.ts';

/**
 * What wrk saw. Latencies of a closed loop are those at saturation: they tell how long the queue is, not how fast an
 * answer is.
 */
export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface WrkOptions {
  readonly port: number;
  readonly request: RequestSpec;
  readonly connections: number;
  readonly services: number;
  readonly seconds: number;
  readonly directory: string;
  /** Over TLS. */
  readonly secure?: boolean;
}

/** Answers that were asked for, as fast as it goes. */
export async function runWrk(options: WrkOptions): Promise<WrkResult> {
  const script = join(options.directory, 'wrk.lua');
  writeFileSync(script, luaScript(options));
  const url = `${options.secure === true ? 'https' : 'http'}://127.0.0.1:${options.port}${options.request.path}`;
  const output = await runCommand([
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '--timeout=10s',
    '-s',
    script,
    url,
  ]);
  return parse(output);
}

/** Chunks of this size, as programs send that stream a file. */
const CHUNK_BYTES = 16 * 1024;

/** Requests are built once, so that the generator costs the same for all of them. */
function luaScript({ request, services }: WrkOptions): string {
  return `local requests = {}
local at = 0
${bodyLine(request)}
function init(args)
${Array.from({ length: services }, (_, service) => `  requests[${service + 1}] = ${head(request, hostOf(service))} .. body`).join('\n')}
end
function request()
  at = at % ${services} + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('result %d %d %d %f %f\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;
}

function bodyLine({ bodyBytes, chunked }: RequestSpec): string {
  if (bodyBytes === 0) return "local body = ''";
  if (!chunked) return `local body = string.rep('x', ${bodyBytes})`;
  const size = Math.min(CHUNK_BYTES, bodyBytes);
  const whole = Math.floor(bodyBytes / size);
  const chunk = `'${size.toString(16)}\\r\\n' .. string.rep('x', ${size}) .. '\\r\\n'`;
  return `local body = string.rep(${chunk}, ${whole}) .. '0\\r\\n\\r\\n'`;
}

function head({ method, path, headers, bodyBytes, chunked }: RequestSpec, host: string): string {
  const framing = chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(bodyBytes) };
  const fields = { Host: host, ...headers, ...(bodyBytes > 0 ? framing : {}) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return JSON.stringify(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
}

function parse(output: string): WrkResult {
  const found = /^result (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)$/m.exec(output);
  if (found === null) throw new Error(`wrk said something unexpected:\n${output}`);
  const [requests = 0, durationUs = 0, errors = 0, p50Us = 0, p99Us = 0] = found.slice(1).map(Number);
  return {
    requests,
    seconds: durationUs / 1e6,
    errors,
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
  };
}
