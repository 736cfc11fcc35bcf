import { formatAddress } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/config.ts';
import type { StoredEvent } from '../../store/store.ts';
import type {
  CertificateExpiry,
  MetricsSource,
  ServiceBlocks,
  TransitionCount,
} from '../../telemetry/metrics-source.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { Core } from '../core.ts';
import type { Outliers } from '../outliers.ts';
import type { Registry } from '../registry.ts';

/** Counts the transitions of rollouts as they are committed. */
export class TransitionCounter {
  private readonly counts = new Map<string, TransitionCount>();

  count(events: readonly StoredEvent[]): void {
    for (const { service, type, data } of events) {
      const { phase: to, reason } = data;
      if (!type.startsWith('rollout.') || service === null) continue;
      if (typeof to !== 'string' || typeof reason !== 'string') continue;
      const key = JSON.stringify([service, to, reason]);
      this.counts.set(key, { service, to, reason, count: (this.counts.get(key)?.count ?? 0) + 1 });
    }
  }

  all(): Iterable<TransitionCount> {
    return this.counts.values();
  }
}

export interface MetricsParts {
  readonly control: ControlPlane;
  readonly registry: Registry;
  readonly outliers: Outliers;
  readonly unrouted: SharedArrayBuffer;
  readonly transitions: TransitionCounter;
  readonly core: Core;
}

/** What the metrics are rendered from. */
export function metricsSource({
  control,
  registry,
  outliers,
  unrouted,
  transitions,
  core,
}: MetricsParts): MetricsSource {
  return {
    overview: () => control.overview(),
    *blocks(): Iterable<ServiceBlocks> {
      for (const { name, ledger, upstreams } of registry.services()) {
        const blocks = [...upstreams.values()].map((upstream) => ({ name: upstream.name, block: upstream.ledger }));
        yield { service: name, serviceBlock: ledger, upstreams: blocks };
      }
    },
    unrouted,
    transitions: () => transitions.all(),
    ejections: () => outliers.ejections(),
    notifications: () =>
      core.parts.store.outbox.counts().map(({ to: webhook, waiting, dead }) => ({ webhook, waiting, dead })),
    certificates: () => core.current().config.listeners.flatMap(expiries),
  };
}

function expiries(listener: ListenerConfig): CertificateExpiry[] {
  const address = formatAddress(listener);
  const certificates = listener.tls?.certificates ?? [];
  return certificates.map(({ file, expiresAt }) => ({ listener: address, certificate: file, expiresAt }));
}
