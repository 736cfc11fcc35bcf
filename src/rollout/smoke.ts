import type { Agent, request } from 'undici';
import type { SmokeRequest } from '../config/config.ts';
import { http2PeerOf } from '../config/target-url.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { askHttp2 } from '../platform/http2-client.ts';
import { readUpTo } from '../platform/read-up-to.ts';
import { type TargetTls, TRUST_SYSTEM, trustOptions } from '../platform/tls.ts';
import type { SmokeResult } from './rollout.ts';

/** Enough to find `bodyIncludes` in any page one would smoke-test; what lies beyond is not read. */
const BODY_BYTES = 256 * 1024;
/** Of a failed answer, kept as evidence. */
const EVIDENCE_BYTES = 200;

export interface SmokeOptions {
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** For `https:` and `h2:` targets; default: as the system trusts. */
  readonly tls?: TargetTls;
}

/**
 * Sends the requests to each target itself, past all routing, and tells how each was answered. Targets are asked at the
 * same time, the requests of one target one after the other. Redirects are not followed. Rejects only when `signal` ends.
 */
export async function runSmoke(
  requests: readonly SmokeRequest[],
  targets: readonly string[],
  options: SmokeOptions,
): Promise<readonly SmokeResult[]> {
  // Connections of its own: a check says nothing if it rides on one that was opened before the deployment.
  const isSecure = targets.some((target) => target.startsWith('https:'));
  const tls = options.tls ?? TRUST_SYSTEM;
  const connect = isSecure ? { connect: trustOptions(tls) } : {};
  // Loaded with the first check: a gate starts sooner without it.
  const { Agent, request } = await import('undici');
  const agent = new Agent({ pipelining: 1, allowH2: false, ...connect });
  const context = { agent, send: request, tls, signal: options.signal, clock: options.clock ?? systemClock };
  try {
    const perTarget = await Promise.all(targets.map((target) => askTarget(target, requests, context)));
    return perTarget.flat();
  } finally {
    await agent.destroy();
  }
}

interface Context {
  readonly agent: Agent;
  readonly send: typeof request;
  readonly tls: TargetTls;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

async function askTarget(target: string, requests: readonly SmokeRequest[], context: Context): Promise<SmokeResult[]> {
  const results: SmokeResult[] = [];
  for (const smoke of requests) results.push(await ask(target, smoke, context));
  return results;
}

async function ask(target: string, smoke: SmokeRequest, context: Context): Promise<SmokeResult> {
  const { method, path } = smoke;
  const startedMs = context.clock.monotonicMs();
  const answered = (status: number | null, detail: string): SmokeResult => {
    const durationMs = Math.round(context.clock.monotonicMs() - startedMs);
    return { target, method, path, ok: detail === '', status, durationMs, detail };
  };
  const timeout = AbortSignal.timeout(smoke.timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout]);
  let status: number | null = null;
  try {
    const peer = http2PeerOf(target, context.tls);
    if (peer !== null) {
      const answer = await askHttp2(peer, smoke, { bodyBytes: BODY_BYTES, signal });
      return answered(answer.status, complaint(smoke, answer.status, answer.body));
    }
    const { agent, send } = context;
    const response = await send(new URL(path, target), {
      dispatcher: agent,
      method,
      headers: smoke.headers,
      signal,
    });
    status = response.statusCode;
    return answered(status, complaint(smoke, status, await readUpTo(response.body, BODY_BYTES)));
  } catch (error) {
    context.signal.throwIfAborted();
    if (timeout.aborted) return answered(status, `no whole answer within ${smoke.timeoutMs} ms`);
    return answered(status, `no answer: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function complaint({ expect }: SmokeRequest, status: number, body: Buffer): string {
  if (status !== expect.status) return `status ${status} and not ${expect.status}${quote(body)}`;
  if (expect.bodyIncludes === null || body.includes(expect.bodyIncludes)) return '';
  return `the body does not include ${JSON.stringify(expect.bodyIncludes)}${quote(body)}`;
}

/** JSON quoting keeps terminal escapes and line ends of the answer out of logs and terminals. */
function quote(body: Buffer): string {
  return body.length === 0 ? '' : `: ${JSON.stringify(body.toString('utf8', 0, EVIDENCE_BYTES))}`;
}
