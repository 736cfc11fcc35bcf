import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { http2PeerOf, parseTargetUrl } from '../../config/target-url.ts';
import type { Clock } from '../../platform/clock.ts';
import { openHttp2 } from '../../platform/http2-client.ts';
import { secureOptions } from '../../platform/tls.ts';
import type { ProbeResult } from '../control-plane.ts';
import type { ProbedTarget } from './probe.ts';

/**
 * Whether a target accepts a TCP connection, has a certificate that is trusted (`https:`, `h2:`) and speaks HTTP/2 (`h2:`,
 * `h2c:`), within `connectMs`. Never throws: a failure is a result.
 */
export async function probeReachable(
  target: ProbedTarget,
  connectMs: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const at = clock.wallMs();
  const startedMs = clock.monotonicMs();
  const timeout = AbortSignal.timeout(connectMs);
  const detail = await reach(target, signal === undefined ? timeout : AbortSignal.any([signal, timeout])).then(
    () => '',
    (error: unknown) => (timeout.aborted ? `no connection within ${connectMs} ms` : messageOf(error)),
  );
  return { at, ok: detail === '', status: null, durationMs: clock.monotonicMs() - startedMs, detail };
}

async function reach({ url, tls }: ProbedTarget, signal: AbortSignal): Promise<void> {
  const peer = http2PeerOf(url, tls);
  if (peer === null) await reachByHttp1({ url, tls }, signal);
  else (await openHttp2(peer, signal)).destroy();
}

function reachByHttp1({ url, tls }: ProbedTarget, signal: AbortSignal): Promise<void> {
  const { host, port, secure } = parseTargetUrl(url);
  const socket = secure ? connectTls({ ...secureOptions(tls, host, 'http/1.1'), host, port }) : connect({ host, port });
  return new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    socket.on('error', reject);
    socket.once(secure ? 'secureConnect' : 'connect', resolve);
  }).finally(() => socket.destroy());
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
