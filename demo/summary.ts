import type { ServiceView } from '../src/app/control-plane.ts';
import type { Rollout } from '../src/rollout/rollout.ts';
import { type Tally, total } from './load.ts';
import { exposedMs } from './scenes.ts';
import type { ShopReport } from './shop.ts';
import type { StreamTally } from './streams.ts';

/** Everything that the demo counted, from three sides: the clients, the gate, the shops. */
export interface Accounts {
  readonly load: Tally;
  readonly streams: StreamTally;
  /** After the load has stopped. */
  readonly service: ServiceView;
  readonly shops: Readonly<Record<string, ShopReport>>;
  readonly badRollout: Rollout;
  /** Requests that reached v3 after it was rolled back. */
  readonly afterRollback: number;
  readonly gateExit: number | null;
}

export interface Check {
  readonly what: string;
  readonly holds: boolean;
}

/** What must hold for the demo to have shown what it claims. */
export function checks(accounts: Accounts): Check[] {
  const { load, streams, service, shops, afterRollback, gateExit } = accounts;
  const { accepted, inFlight, outcomes } = service.ledger;
  const opened = streams.webSockets + streams.eventStreams;
  const shown = total(load.failed);
  const whole = outcomes.ok + outcomes.cut + outcomes.client_abort;
  const taken = Object.values(shops).flatMap(({ orders }) => orders);
  return [
    { what: 'no request was lost', holds: load.lost.length === 0 },
    { what: 'every request was answered once', holds: load.sent === total(load.answered) + shown + load.lost.length },
    { what: 'the ledger accepted what the clients sent', holds: accepted === load.sent + opened && inFlight === 0 },
    {
      what: 'the ledger saw them end as the clients did',
      holds: whole === total(load.answered) + opened && outcomes.server_error === shown && accepted === whole + shown,
    },
    { what: 'v3 was charged with every failure it made', holds: failures(accounts) === shops.v3?.failed },
    { what: 'every confirmed order was taken exactly once', holds: sameOrders(load.orders, taken) },
    { what: 'nothing reached v3 after its rollback', holds: afterRollback === 0 },
    { what: 'the gate drained and exited with 0', holds: gateExit === 0 },
  ];
}

/** The accounts for people. */
export function summaryLines(accounts: Accounts): string[] {
  const { load, streams, service, badRollout } = accounts;
  const shown = total(load.failed);
  const byVersion = [...load.answered].sort().map(([version, n]) => `${version} ${grouped(n)}`);
  return [
    line('sent', load.sent, 'by keep-alive clients that check every answer'),
    line('answered', total(load.answered), byVersion.join(', ')),
    line('shielded', failures(accounts) - shown, 'failed on v3, so stable answered instead: no client noticed'),
    line('failed', shown, 'orders that v3 failed: not repeatable, so the client was told'),
    line('lost', load.lost.length, load.lost.slice(0, 3).join('; ')),
    line(
      'streams',
      streams.webSockets + streams.eventStreams,
      `${streams.webSockets} WebSockets, ${streams.eventStreams} event streams`,
    ),
    line('ledger', service.ledger.accepted, `accepted by the gate: ${outcomesText(service)}`),
    line(
      'rollback',
      badRollout.counts.candidate.trials,
      `requests reached v3 before its rollback, within ${exposedMs(badRollout)} ms`,
    ),
    `  ${'latency'.padEnd(10)}p50 ${quantile(load.latenciesMs, 0.5)} ms, p99 ${quantile(load.latenciesMs, 0.99)} ms, as the clients saw it`,
  ];
}

/** Attempts on green that failed: v2 failed none, so all of them are v3's. */
function failures({ service }: Accounts): number {
  return service.upstreams.green?.errors ?? 0;
}

function sameOrders(confirmed: readonly string[], taken: readonly string[]): boolean {
  return JSON.stringify([...confirmed].sort()) === JSON.stringify([...taken].sort());
}

function outcomesText(service: ServiceView): string {
  return Object.entries(service.ledger.outcomes)
    .filter(([, n]) => n > 0)
    .map(([outcome, n]) => `${outcome} ${grouped(n)}`)
    .join(', ');
}

function line(name: string, n: number, note: string): string {
  return `  ${name.padEnd(10)}${grouped(n).padStart(7)}   ${note}`.trimEnd();
}

function grouped(n: number): string {
  return n.toLocaleString('en');
}

function quantile(values: readonly number[], q: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(1);
}
