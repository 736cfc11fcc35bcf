import { readCell, UPSTREAM } from '../../traffic/ledger.ts';
import type { UpstreamTotals } from '../control-plane.ts';
import type { Core } from '../core.ts';
import type { UpstreamEntry } from '../registry.ts';

/** Of the services there are now; upstreams that wait to be empty are among them. */
export function upstreamTotals(core: Core): readonly UpstreamTotals[] {
  return Object.keys(core.current().config.services).flatMap((service) => {
    const upstreams = core.parts.registry.service(service)?.upstreams.values() ?? [];
    return [...upstreams].map((upstream) => totalsOf(service, upstream));
  });
}

function totalsOf(service: string, { name, ledger }: UpstreamEntry): UpstreamTotals {
  const total = (cell: number): number => readCell(ledger, UPSTREAM.size, cell);
  return {
    service,
    upstream: name,
    requests: total(UPSTREAM.requests),
    errors: total(UPSTREAM.errors),
    trials: total(UPSTREAM.trials),
  };
}
