import type { Overview } from '../app/control-plane.ts';

/** What the metrics are made from, asked for at each scrape and never between. */
export interface MetricsSource {
  overview(): Overview;
  /** The ledger blocks of the services and upstreams there are now; series of removed ones end with them. */
  blocks(): Iterable<ServiceBlocks>;
  /** Ledger block of what never reached a service, see ledger.ts `SERVICE`. */
  readonly unrouted: SharedArrayBuffer;
  /** Rollout transitions since the process started. */
  transitions(): Iterable<TransitionCount>;
  /** Ejections of targets since the process started. */
  ejections(): Iterable<EjectionCount>;
  /** Notifications that have not arrived. */
  notifications(): Iterable<NotificationCount>;
  /** Certificates that the listeners serve. */
  certificates(): Iterable<CertificateExpiry>;
}

export interface ServiceBlocks {
  readonly service: string;
  /** See ledger.ts `SERVICE`. */
  readonly serviceBlock: SharedArrayBuffer;
  /** `block`: see ledger.ts `UPSTREAM`. */
  readonly upstreams: Iterable<{ readonly name: string; readonly block: SharedArrayBuffer }>;
}

export interface TransitionCount {
  readonly service: string;
  /** The phase entered. */
  readonly to: string;
  readonly reason: string;
  readonly count: number;
}

export interface NotificationCount {
  readonly webhook: string;
  /** Those that are still tried, and those that were given up. */
  readonly waiting: number;
  readonly dead: number;
}

export interface CertificateExpiry {
  /** Address, as the configuration has it. */
  readonly listener: string;
  /** Path of the file. */
  readonly certificate: string;
  /** ms since the Unix epoch. */
  readonly expiresAt: number;
}

export interface EjectionCount {
  readonly service: string;
  readonly upstream: string;
  readonly reason: string;
  readonly count: number;
}
