import type { HealthConfig } from '../../config/config.ts';
import { http2PeerOf } from '../../config/target-url.ts';
import type { Clock } from '../../platform/clock.ts';
import { askHttp2 } from '../../platform/http2-client.ts';
import { isLocalFault } from '../../platform/local-fault.ts';
import { readUpTo } from '../../platform/read-up-to.ts';
import { type TargetTls, trustOptions } from '../../platform/tls.ts';
import type { ProbeResult } from '../control-plane.ts';
import { healthCall, healthComplaint } from './grpc-health.ts';

/** Whom to ask. */
export interface ProbedTarget {
  readonly url: string;
  /** For an `https:` or `h2:` URL. */
  readonly tls: TargetTls;
}

/** Read for `detail`; what comes after is thrown away with the connection. */
const BODY_BYTES = 4096;
const DETAIL_CHARS = 200;

/**
 * Asks a target once, on a connection of its own, so that it also proves that new ones are accepted. Redirects are
 * answers like any other and not followed. Never throws: a failure is a result.
 */
export async function probeHealth(
  target: ProbedTarget,
  config: HealthConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const at = clock.wallMs();
  const startedMs = clock.monotonicMs();
  const timeout = AbortSignal.timeout(config.timeoutMs);
  const answer = await ask(target, config, AbortSignal.any([signal, timeout])).catch((error: unknown) => ({
    ok: false,
    status: null,
    detail: timeout.aborted ? `no answer within ${config.timeoutMs} ms` : describe(error),
    ...(isLocalFault(error) ? { notAsked: true as const } : {}),
  }));
  const { ok } = answer;
  const detail = ok ? '' : answer.detail;
  const notAsked = 'notAsked' in answer ? { notAsked: answer.notAsked } : {};
  return { at, ok, status: answer.status, durationMs: clock.monotonicMs() - startedMs, detail, ...notAsked };
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly detail: string;
}

async function ask(
  target: ProbedTarget,
  { ask: question, timeoutMs }: HealthConfig,
  signal: AbortSignal,
): Promise<Answer> {
  if (question.kind === 'grpc') return askGrpc(target, question.service, timeoutMs, signal);
  const { min, max } = question.status;
  const { status, detail } = await get(target, question.path, signal);
  return { ok: status >= min && status <= max, status, detail };
}

async function askGrpc(
  { url, tls }: ProbedTarget,
  service: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  const peer = http2PeerOf(url, tls);
  if (peer === null) throw new Error('its health is asked by gRPC, for which it must be an h2c: or h2: target');
  const answer = await askHttp2(peer, healthCall(service, timeoutMs), { bodyBytes: BODY_BYTES, signal });
  const detail = healthComplaint(service, answer).slice(0, DETAIL_CHARS);
  return { ok: detail === '', status: answer.status, detail };
}

async function get(
  { url, tls }: ProbedTarget,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; detail: string }> {
  const peer = http2PeerOf(url, tls);
  const headers = { 'user-agent': 'tealgate', accept: '*/*' };
  if (peer !== null) {
    const answer = await askHttp2(peer, { method: 'GET', path, headers }, { bodyBytes: BODY_BYTES, signal });
    return { status: answer.status, detail: answer.body.toString('utf8').slice(0, DETAIL_CHARS) };
  }
  // Loaded with the first check: a gate without health checks starts sooner without it.
  const { Client } = await import('undici');
  const client = new Client(url, url.startsWith('https:') ? { allowH2: false, connect: trustOptions(tls) } : {});
  try {
    const { statusCode, body } = await client.request({ method: 'GET', path, headers, reset: true, signal });
    return { status: statusCode, detail: (await readUpTo(body, BODY_BYTES)).toString('utf8').slice(0, DETAIL_CHARS) };
  } finally {
    await client.destroy();
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)}: ` : '';
  return error.message.startsWith(code) ? error.message : code + error.message;
}
