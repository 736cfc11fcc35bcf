import { connect } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { parseTargetUrl } from '../../config/target-url.ts';
import type { Clock } from '../../platform/clock.ts';
import { secureOptions } from '../../platform/tls.ts';
import type { ProbeResult } from '../control-plane.ts';
import type { ProbedTarget } from './probe.ts';

/** Whether a target accepts a TCP connection, and for `https:` has a certificate that is trusted, within `connectMs`. Never throws: a failure is a result. */
export function probeReachable(
  { url, tls }: ProbedTarget,
  connectMs: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const at = clock.wallMs();
  const startedMs = clock.monotonicMs();
  return new Promise((resolve) => {
    const { host, port, secure } = parseTargetUrl(url);
    const socket = secure ? connectTls({ ...secureOptions(tls, host), host, port }) : connect({ host, port });
    if (signal !== undefined) addAbortSignal(signal, socket);
    const finish = (ok: boolean, detail: string) => {
      socket.destroy();
      resolve({ at, ok, status: null, durationMs: clock.monotonicMs() - startedMs, detail });
    };
    socket.setTimeout(connectMs, () => finish(false, `no connection within ${connectMs} ms`));
    socket.on('error', (error) => finish(false, error.message));
    socket.once(secure ? 'secureConnect' : 'connect', () => finish(true, ''));
  });
}
