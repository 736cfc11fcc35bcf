import type { ConfigStatus, Overview } from '../control-plane.ts';
import type { Core } from '../core.ts';
import { readLedger } from './ledger-view.ts';
import { serviceView } from './service-view.ts';

export interface OverviewParts {
  /** ms since the Unix epoch. */
  readonly startedAt: number;
  readonly config: ConfigStatus;
  /** Ledger block of what never reached a service. */
  readonly unrouted: SharedArrayBuffer;
}

export function overview(core: Core, { startedAt, config, unrouted }: OverviewParts): Overview {
  const names = Object.keys(core.current().config.services);
  return {
    version: core.parts.publisher.version(),
    startedAt,
    workers: core.parts.pool.status(),
    config,
    unrouted: readLedger(unrouted),
    services: Object.fromEntries(names.map((name) => [name, serviceView(core, core.service(name))])),
  };
}
