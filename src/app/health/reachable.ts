import { connect } from 'node:net';
import { parseTargetUrl } from '../../config/target-url.ts';
import type { Clock } from '../../platform/clock.ts';
import type { ProbeResult } from '../control-plane.ts';

/** Whether a target accepts a TCP connection within `connectMs`. Never throws: a failure is a result. */
export function probeReachable(
  url: string,
  connectMs: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const at = clock.wallMs();
  const startedMs = clock.monotonicMs();
  return new Promise((resolve) => {
    const socket = connect({ ...parseTargetUrl(url), ...(signal === undefined ? {} : { signal }) });
    const finish = (ok: boolean, detail: string) => {
      socket.destroy();
      resolve({ at, ok, status: null, durationMs: clock.monotonicMs() - startedMs, detail });
    };
    socket.setTimeout(connectMs, () => finish(false, `no connection within ${connectMs} ms`));
    socket.on('error', (error) => finish(false, error.message));
    socket.once('connect', () => finish(true, ''));
  });
}
