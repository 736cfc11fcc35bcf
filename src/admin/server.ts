import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { ControlPlane } from '../app/control-plane.ts';
import { isLoopback } from '../config/address.ts';
import type { AdminConfig } from '../config/config.ts';
import { monotonicMs } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import { createAccessRules } from './access.ts';
import { createHttp } from './http.ts';
import { type BoundAddress, listen } from './listen.ts';
import { RecentEvents } from './recent-events.ts';
import { RefusalLimit } from './refusal-limit.ts';
import type { RouteDeps } from './route.ts';
import { ROUTES } from './routes.ts';
import { TrafficSamples } from './traffic-samples.ts';

export interface AdminOptions {
  readonly control: ControlPlane;
  readonly metrics: RouteDeps['metrics'];
  readonly config: AdminConfig;
  readonly log: Logger;
  /** A request that has not come whole by then is cut; default 10 s. */
  readonly requestTimeoutMs?: number;
}

export interface AdminServer {
  readonly address: BoundAddress;
  /** Ends event streams and waits, lets other calls finish for a second, then cuts what is left. */
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const SAMPLE_INTERVAL_MS = 2000;
const CLOSE_TIMEOUT_MS = 1000;

/**
 * Serves the admin API and the dashboard. Throws `invalid_config` for an address beyond this machine without tokens, and
 * `address_in_use`.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { control, metrics, config, log, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  refuseOpenAddress(config);
  const closing = new AbortController();
  const samples = new TrafficSamples();
  const recent = new RecentEvents(control, closing.signal);
  const http = createHttp({
    routes: ROUTES,
    deps: { control, metrics, recent, samples, refusals: new RefusalLimit(monotonicMs) },
    access: createAccessRules(config),
    log,
    requestTimeoutMs,
    closing: closing.signal,
  });
  try {
    await http.ready();
    const address = await listen(http.server, config.address);
    // A failed accept (no descriptors left) is an error event, which nobody hearing it would make an exception.
    http.server.on('error', (err) => log.warn({ event: 'admin.accept_failed', err }, 'a connection was not accepted'));
    sampleUntil(closing.signal, () => samples.sample(control.upstreamTotals(), monotonicMs()));
    return { address, close: () => close(http, closing) };
  } catch (error) {
    closing.abort();
    await http.close();
    throw error;
  }
}

function refuseOpenAddress({ address, tokens }: AdminConfig): void {
  if (address.kind === 'unix' || tokens.length > 0 || isLoopback(address.host)) return;
  throw new TealgateError('invalid_config', `admin.address ${address.host} is open to others; configure admin.tokens`);
}

function sampleUntil(signal: AbortSignal, sample: () => void): void {
  sample();
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer));
}

async function close(http: FastifyInstance, closing: AbortController): Promise<void> {
  closing.abort();
  const cut = setTimeout(() => http.server.closeAllConnections(), CLOSE_TIMEOUT_MS);
  await http.close();
  clearTimeout(cut);
}
