import { formatMeasure } from './metrics.ts';
import type { Report } from './report.ts';

/** One fact of a report, the same in every form. */
export interface Row {
  readonly name: string;
  readonly text: string;
}

/** What was driven, in a few words: `switch on shop: 200/s over 20 connections for 10 s`. */
export function headline(report: Report): string {
  const { scenario, service, rate, connections, durationMs } = report;
  const on = service === null ? '' : ` on ${service}`;
  const pace = rate === null ? 'closed loop' : `${rate}/s`;
  const over = `${connections} ${connections === 1 ? 'connection' : 'connections'}`;
  return `${scenario}${on}: ${pace} over ${over} for ${Number((durationMs / 1000).toFixed(1))} s`;
}

/** The facts in the order they are shown. */
export function rows(report: Report): Row[] {
  const { latencyMs, accounts, operations, rollout, warmup, unsent } = report;
  const all: (Row | null)[] = [
    { name: 'requests', text: `${report.requests}${statusesText(report)}` },
    { name: 'rate', text: formatMeasure('rate', report.answersPerSecond) },
    latencyMs === null
      ? null
      : {
          name: 'latency',
          text: (['p50', 'p90', 'p95', 'p99', 'p99.9', 'max'] as const)
            .map((metric) => `${metric} ${formatMeasure(metric, latencyMs[metric])}`)
            .join(', '),
        },
    { name: 'errors', text: errorsText(report) },
    unsent === 0 ? null : { name: 'not sent', text: `${unsent} that were due: no connection was free in time` },
    accounts === null
      ? null
      : {
          name: 'lost',
          text:
            accounts.lost === null
              ? `not known: ${accounts.note}`
              : `${accounts.lost} (sent ${accounts.sent}, accepted ${accounts.accepted}, settled ${accounts.settled}, mismatched ${accounts.mismatched})`,
        },
    warmup.requests === 0
      ? null
      : { name: 'warm-up', text: `${warmup.requests} requests, ${warmup.errors} errors, ${warmup.non2xx} not 2xx` },
    Object.keys(operations).length === 0 ? null : { name: 'operations', text: countsText(operations) },
    rollout === null
      ? null
      : { name: 'rollout', text: `${rollout.phase}${rollout.reason === null ? '' : `: ${rollout.reason}`}` },
  ];
  return all.filter((row) => row !== null);
}

/** `upstream blue: 40 requests, 41 attempts, 1 failed, 1 retries`, as far as it is known. */
export function upstreamText({ name, answered, ...counts }: Report['upstreams'][number]): string {
  const known = Object.entries(counts).flatMap(([what, n]) => (n === null ? [] : [`${n} ${what}`]));
  if (answered !== null) known.push(`${answered} answers name it`);
  return `upstream ${name}: ${known.join(', ')}`;
}

function statusesText({ statuses }: Report): string {
  const entries = Object.entries(statuses);
  return entries.length === 0 ? '' : ` (${entries.map(([status, n]) => `${n} × ${status}`).join(', ')})`;
}

function errorsText({ errors, refused, dropped, timeouts }: Report): string {
  return errors === 0 ? '0' : `${errors} (${countsText({ refused, dropped, timeouts })})`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([name, n]) => `${n} ${name}`)
    .join(', ');
}
