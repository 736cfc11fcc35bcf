import { hostOf } from '../layouts.ts';
import { programVersion } from '../peers/version.ts';
import type { RequestSpec } from '../scenarios.ts';
import { runCommand } from '../system/child.ts';

/** What h2load saw. */
export interface H2loadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
}

export interface H2loadOptions {
  readonly port: number;
  readonly request: RequestSpec;
  readonly connections: number;
  /** Requests under way at once on each connection. */
  readonly streams: number;
  readonly seconds: number;
}

let version: string | null | undefined;

/** Null when it is not installed. */
export function h2loadVersion(): string | null {
  if (version === undefined) version = programVersion(['h2load', '--version'], /nghttp2\/(\S+)/);
  return version;
}

/** As many HTTP/2 requests as the proxy takes (closed loop), over TLS. */
export async function runH2load({
  port,
  request,
  connections,
  streams,
  seconds,
}: H2loadOptions): Promise<H2loadResult> {
  const fields = { ':authority': hostOf(0), ...request.headers };
  const output = await runCommand([
    'h2load',
    '-t1',
    `-c${connections}`,
    `-m${streams}`,
    `-D${seconds}`,
    '--npn-list=h2',
    ...Object.entries(fields).flatMap(([name, value]) => ['-H', `${name.toLowerCase()}: ${value}`]),
    `https://127.0.0.1:${port}${request.path}`,
  ]);
  return parse(output, seconds);
}

/** With a duration, h2load counts what came within it; requests begun and not answered by then are no errors. */
function parse(output: string, seconds: number): H2loadResult {
  const found = /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored/.exec(
    output,
  );
  if (found === null) throw new Error(`h2load said something unexpected:\n${output}`);
  const [, succeeded = 0, failed = 0] = found.slice(1).map(Number);
  return { requests: succeeded, seconds, errors: failed };
}
