import type { RoutingSnapshot } from '../traffic/snapshot.ts';
import type { ProxyProtocol } from './entrance/proxy-entrance.ts';

/** How the control plane starts a worker thread (`workerData`). */
export interface WorkerStart {
  /** Number of this worker, from 0: its stripe in every ledger block. */
  readonly index: number;
  readonly listeners: readonly ListenerOptions[];
  readonly snapshot: RoutingSnapshot;
  /** Block for what never reached a service, see ledger.ts `SERVICE`. */
  readonly unrouted: SharedArrayBuffer;
  readonly accessLog: boolean;
  /** Random, the same in all workers of a process: part of the name in Via and of request ids. Default: one of its own. */
  readonly instance?: string;
  /** 48 random octets, the same in all workers of a process, so that a TLS session can go on at any. Default: its own. */
  readonly ticketKeys?: Uint8Array;
  /** Share the port between workers (SO_REUSEPORT). */
  readonly reusePort: boolean;
}

export interface ListenerOptions {
  readonly id: number;
  readonly host: string;
  /** 0 takes a free port; the worker's `listening` message names it. */
  readonly port: number;
  readonly timeouts: { readonly headMs: number; readonly bodyMs: number; readonly keepAliveMs: number };
  readonly limits: {
    readonly headBytes: number;
    readonly fields: number;
    /** Infinity for none. */
    readonly bodyBytes: number;
    /** Per listener, over all workers; each worker takes its share. */
    readonly connections: number;
  };
  /** CIDR blocks or addresses whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Connections tell whom they carry; without it none does. */
  readonly proxyProtocol?: ProxyProtocol;
  /** HTTP/2, too: over TLS by ALPN, else by prior knowledge. `streams`: requests at once on one connection. */
  readonly http2?: { readonly streams: number };
  /** HTTP over TLS; without it plain. */
  readonly tls?: TlsOptions;
}

export interface TlsOptions {
  /** One at least; the first is for clients that ask for no name, or for one that no certificate has. */
  readonly certificates: readonly CertificateOptions[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface CertificateOptions {
  /** PEM: the certificate, then its intermediates. */
  readonly cert: string;
  /** PEM, not encrypted. */
  readonly key: string;
  /** Host names in lower case, `*.` for any first label. */
  readonly names: readonly string[];
}

/** Control plane to worker. */
export type ToWorker =
  /** Install this snapshot; answered with `installed`. */
  | { readonly type: 'snapshot'; readonly snapshot: RoutingSnapshot }
  /**
   * Listeners added, removed or changed by a reload. Connections are not touched, but those of removed ones are told to
   * close and closed when idle, spread over at most `spreadMs`. Answered with `listening` or `listen_failed`, in the order in
   * which they were sent; the first answer is to the start.
   */
  | { readonly type: 'listeners'; readonly listeners: readonly ListenerOptions[]; readonly spreadMs: number }
  /**
   * Stop: close listeners, tell keep-alive clients to close, spread over at most `spreadMs`, let requests finish, cut
   * what is left at `cutAtMs` (monotonicMs). Answered with `drained` when nothing is left.
   */
  | { readonly type: 'drain'; readonly cutAtMs: number; readonly spreadMs: number };

/** Worker to control plane. */
export type FromWorker =
  | {
      readonly type: 'listening';
      readonly addresses: readonly { readonly id: number; readonly host: string; readonly port: number }[];
    }
  | { readonly type: 'listen_failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'installed'; readonly version: number }
  /** The fuse of this service's candidate blew: the control plane should judge at once. */
  | { readonly type: 'fuse'; readonly service: string; readonly fuseId: number }
  /** Finished access log lines, each a JSON object, joined by line feeds and ended by one. */
  | { readonly type: 'access'; readonly lines: Uint8Array }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly message: string;
      readonly fields?: Record<string, unknown>;
    }
  | { readonly type: 'drained' };
