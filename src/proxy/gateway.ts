import { ByteWriter } from '../http1/byte-writer.ts';
import { Deadlines } from '../http1/deadlines.ts';
import type { DownstreamConnection } from '../http1/downstream-connection.ts';
import type { Head } from '../http1/head.ts';
import type { RequestHandler } from '../http1/request-handler.ts';
import { SERVICE, stripe, UPSTREAM } from '../traffic/ledger.ts';
import type { AccessLog } from './access-log.ts';
import { countAccepted, countOutcome } from './accounting.ts';
import { contextOf } from './connection-context.ts';
import { SpareDescriptor } from './entrance/spare-descriptor.ts';
import { Departures } from './exchange/departures.ts';
import { Exchange } from './exchange/exchange.ts';
import { renderReply } from './exchange/replies.ts';
import type { RequestFacts } from './exchange/request-policy.ts';
import { httpDate } from './http-date.ts';
import { PinJar } from './pins.ts';
import { Repetition } from './repetition.ts';
import { createPicker, type RoutingTable, type Service, type Upstream } from './routing-table.ts';
import { UpgradeLane } from './upgrade/upgrades.ts';

/** What a copy of a request showed. */
export interface Difference {
  readonly service: Service;
  readonly upstream: Upstream;
  readonly request: RequestFacts;
  /** See `responseDifference`. */
  readonly difference: string;
}

/** Puts a line into the log. */
export type Warn = (event: string, message: string, fields: Record<string, unknown>) => void;

/**
 * One worker's data plane: what all its exchanges share. Requests come in from any lane; each becomes an exchange that
 * is decided by the routing table in force at that moment.
 */
export class Gateway implements RequestHandler {
  readonly writer = new ByteWriter(128 * 1024);
  /** Connections' deadlines, and apart from them those of the requests in progress. */
  readonly deadlines: Deadlines;
  readonly exchanges = new Deadlines<Exchange>();
  readonly jar: PinJar;
  readonly departures = new Departures();
  readonly upgrades: UpgradeLane;
  readonly spare = new SpareDescriptor();
  readonly accessLog: AccessLog | null;
  /** Our name in Via, unique to this process so that a loop is recognised (RFC 9110 §7.6.3). */
  readonly pseudonym: string;
  readonly unrouted: Float64Array;
  /** The line of an X-Request-Id of ours, up to the request's number. */
  readonly idLine: Buffer;
  /** Shutdown has begun: each client is told to close in its turn, see farewell.ts. */
  draining = false;
  /** A connection found no file descriptor, port or memory since the last `relieve`. */
  short = false;
  /** When shutdown cuts what is left, in `performance.now()` time; Infinity before it begins. */
  cutAtMs = Number.POSITIVE_INFINITY;

  #table: RoutingTable;
  readonly #onFuse: (service: Service) => void;
  readonly #warn: Warn;
  readonly #proxyRefusals = new Repetition();
  readonly #differences = new Repetition();
  readonly #shortages = new Repetition();
  #requests = 0;

  constructor(options: {
    table: RoutingTable;
    deadlines: Deadlines;
    worker: number;
    unrouted: SharedArrayBuffer;
    accessLog: AccessLog | null;
    /** Random, the same in all workers of a process. */
    instance: string;
    /** Of the ids of this worker's requests; a number follows. */
    idPrefix: string;
    onFuse: (service: Service) => void;
    warn: Warn;
  }) {
    this.#table = options.table;
    this.deadlines = options.deadlines;
    this.unrouted = stripe(options.unrouted, SERVICE.size, options.worker);
    this.accessLog = options.accessLog;
    this.pseudonym = `tealgate-${options.instance}`;
    this.#onFuse = options.onFuse;
    this.#warn = options.warn;
    this.idLine = Buffer.from(`X-Request-Id: ${options.idPrefix}`, 'latin1');
    this.jar = new PinJar(options.idPrefix);
    this.upgrades = new UpgradeLane();
  }

  get table(): RoutingTable {
    return this.#table;
  }

  /** Replaces the routing table; requests in progress learn when their target will be cut. */
  install(table: RoutingTable): void {
    const before = this.#table;
    this.#table = table;
    for (const room of before.rooms) room.recall();
    this.exchanges.each((exchange) => exchange.onTableChanged());
    this.upgrades.onTableChanged();
  }

  /** Shutdown: what is left at `cutAtMs` is cut. */
  drain(cutAtMs: number): void {
    this.draining = true;
    this.cutAtMs = cutAtMs;
    this.exchanges.each((exchange) => exchange.onTableChanged());
    this.upgrades.drain(cutAtMs);
  }

  /** Meets the deadlines that are due. */
  sweep(nowMs: number): void {
    this.exchanges.sweep(nowMs);
    this.deadlines.sweep(nowMs);
    this.upgrades.sweep(nowMs);
    for (const room of this.#table.rooms) room.call(); // a place may have come from a request of an earlier table
  }

  onShortage(): void {
    this.short = true;
    const count = this.#shortages.note(performance.now());
    if (count === 0) return;
    const message =
      'no file descriptor, port or memory for a connection: raise the limit of open files, or lower the connection limits';
    this.#warn('shortage', message, { count });
  }

  /** Gives up the connections to targets that are not in use. */
  relieve(): void {
    this.short = false;
    this.spare.regain();
    for (const { pool } of this.#table.targets.values()) pool.closeIdle();
  }

  /** The service as the table in force has it, for one picked under an earlier table. */
  current(service: Service): Service {
    return this.#table.services.get(service.route.id) ?? service;
  }

  /** The next request's number in this worker. */
  nextNumber(): number {
    return ++this.#requests;
  }

  /** The candidate's fuse blew: no new request goes there until the control plane has looked. */
  blowFuse(service: Service): void {
    service.picker = createPicker(service, undefined);
    service.candidate?.room?.recall();
    this.#onFuse(service);
  }

  /** A copy was answered otherwise than the request: told now and then, with the latest such request. */
  onDifference({ service, upstream, request, difference }: Difference): void {
    const count = this.#differences.note(performance.now());
    if (count === 0) return;
    const { name } = service.route;
    const message = `${upstream.route.name} answers otherwise than stable: ${difference}`;
    const { methodName: method, path } = request;
    this.#warn('mirror.differed', message, {
      service: name,
      upstream: upstream.route.name,
      method,
      path,
      difference,
      count,
    });
  }

  onRequest(connection: DownstreamConnection, head: Head, buf: Buffer): void {
    const context = contextOf(connection);
    context.exchange ??= new Exchange(this, connection);
    context.exchange.start(head, buf);
  }

  onRefused(connection: DownstreamConnection, status: number, detail: string): void {
    this.#reject(connection.remoteAddress, status, performance.now() - connection.receivedAtMs);
    connection.write(renderReply({ status, detail, error: null, close: true, head: false }, httpDate()));
    connection.finish(false);
  }

  /** A connection that did not say whom it carries, or may not: it was closed without an answer. */
  onProxyRefused(client: string, why: string): void {
    this.#reject(client, 0, 0);
    const count = this.#proxyRefusals.note(performance.now());
    if (count === 0) return;
    const message = `a connection was closed: its PROXY protocol header is ${why}`;
    this.#warn('proxy_protocol.refused', message, { client, why, count });
  }

  /** Something that never became a request, but counts as one. `status`: 0 for no answer. */
  #reject(client: string, status: number, durationMs: number): void {
    countAccepted(this.unrouted);
    countOutcome(this.unrouted, 'rejected');
    this.accessLog?.write({
      givenId: null,
      number: this.nextNumber(),
      client,
      method: '-',
      host: '',
      path: '',
      status,
      bytes: 0,
      durationMs,
      upstreamMs: 0,
      service: '',
      upstream: '',
      target: '',
      retries: 0,
      outcome: 'rejected',
    });
  }

  onConnectionClosed(connection: DownstreamConnection): void {
    contextOf(connection).onClosed();
  }

  /** Brings the pin gauges up to date; about once a second. */
  countPins(nowMs: number): void {
    const { services } = this.#table;
    const counts = this.jar.count(services, nowMs);
    for (const service of services.values()) {
      if (service.route.pins.by !== 'cookie') continue;
      for (const upstream of service.upstreams.values()) upstream.ledger[UPSTREAM.pins] = counts.get(upstream) ?? 0;
    }
  }
}
