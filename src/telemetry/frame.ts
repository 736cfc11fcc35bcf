import type { Overview } from '../app/control-plane.ts';
import { readBlock, SERVICE, UPSTREAM } from '../traffic/ledger.ts';
import type {
  CertificateExpiry,
  EjectionCount,
  MetricsSource,
  NotificationCount,
  TransitionCount,
} from './metrics-source.ts';

/** Everything one scrape reads, read once: each ledger block is added up over its stripes a single time. */
export interface Frame {
  readonly overview: Overview;
  /** Cells of SERVICE. What never reached a service has the empty name. */
  readonly services: readonly { readonly service: string; readonly cells: Float64Array }[];
  /** Cells of UPSTREAM. */
  readonly upstreams: readonly UpstreamCells[];
  readonly transitions: readonly TransitionCount[];
  readonly ejections: readonly EjectionCount[];
  readonly certificates: readonly CertificateExpiry[];
  readonly notifications: readonly NotificationCount[];
}

export interface UpstreamCells {
  readonly service: string;
  readonly upstream: string;
  readonly cells: Float64Array;
}

export function readFrame(source: MetricsSource): Frame {
  const services = [{ service: '', cells: readBlock(source.unrouted, SERVICE.size) }];
  const upstreams: UpstreamCells[] = [];
  for (const { service, serviceBlock, upstreams: blocks } of source.blocks()) {
    services.push({ service, cells: readBlock(serviceBlock, SERVICE.size) });
    for (const { name, block } of blocks) {
      upstreams.push({ service, upstream: name, cells: readBlock(block, UPSTREAM.size) });
    }
  }
  const [transitions, ejections] = [[...source.transitions()], [...source.ejections()]];
  const [certificates, notifications] = [[...source.certificates()], [...source.notifications()]];
  return { overview: source.overview(), services, upstreams, transitions, ejections, certificates, notifications };
}
