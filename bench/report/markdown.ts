import type { Verdict } from '../budgets.ts';
import type { Machine } from '../machine.ts';
import { type RunResult, type ScenarioResult, UNPROXIED } from '../run.ts';
import type { Metric, Sample } from '../sample.ts';
import { ratio, type Spread, spread } from '../statistics.ts';
import { figure, withRange } from './numbers.ts';

/** Everything a reader needs to judge or repeat a run. */
export interface Report {
  readonly name: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly { readonly id: string; readonly title: string; readonly version: string }[];
  readonly leftOut: readonly string[];
  readonly result: RunResult;
  readonly verdicts: readonly Verdict[];
}

interface Column {
  readonly title: string;
  readonly metric: Metric;
}

const COLUMNS: readonly Column[] = [
  { title: 'CPU µs', metric: 'cpuUs' },
  { title: 'user', metric: 'userUs' },
  { title: 'system', metric: 'systemUs' },
  { title: 'per second', metric: 'perSecond' },
  { title: 'p50 ms', metric: 'p50Ms' },
  { title: 'p99 ms', metric: 'p99Ms' },
  { title: 'p99 of a tenth of a second, ms', metric: 'calmP99Ms' },
  { title: 'p99.9 ms', metric: 'p999Ms' },
  { title: 'RSS MiB', metric: 'residentMiB' },
  { title: 'connections', metric: 'connections' },
  { title: 'bytes a connection', metric: 'connectionBytes' },
  { title: 'rate kept', metric: 'achieved' },
  { title: 'errors', metric: 'errors' },
];

export function renderMarkdown(report: Report): string {
  const { machine, rounds, seconds, peers, leftOut, result } = report;
  return `# Benchmark: ${report.name}

Medians of ${rounds} interleaved rounds of ${seconds} s, least and most in brackets. CPU is user and system time of all
processes of the proxy, per request or message. Ratios are taken round by round.

- ${machine.date}, commit ${machine.commit}, load average before the run ${machine.loadBefore}
- ${machine.processor}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}; ${machine.cores}
- Targets: ${machine.targets}; Node.js ${machine.node}
- ${peers.map(({ title, version }) => `${title} ${version}`).join(', ')}
${leftOut.map((line) => `- Left out: ${line}\n`).join('')}
## Budgets

${renderVerdicts(report.verdicts)}
${result.scenarios.map((scenario) => renderScenario(scenario, report)).join('\n')}`;
}

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ what, budget, unit, measured, isKept }) => {
    return [what, `≤ ${figure(budget)} ${unit}`, `${withRange(measured)} ${unit}`, isKept ? 'ok' : '**over**'];
  });
  return table(['what', 'budget', 'measured', ''], rows);
}

function renderScenario({ id, title, samples }: ScenarioResult, { peers, result, name }: Report): string {
  const shown = [...peers, UNPROXIED].filter((peer) => samples[peer.id] !== undefined);
  const columns = COLUMNS.filter(({ metric }) => shown.some((peer) => column(samples[peer.id], metric) !== null));
  const rows = shown.map((peer) => [
    peer.title,
    ...columns.map(({ metric }) => cell(column(samples[peer.id], metric), metric)),
    versusNginx(samples, peer.id),
  ]);
  const fixed = columns.some(({ metric }) => metric === 'achieved') ? ` (${figure(result.rate)} a second)` : '';
  const picture = shown.some((peer) => column(samples[peer.id], 'cpuUs') !== null)
    ? `![CPU per request](${name}/${id}.svg)\n\n`
    : '';
  return `## ${title}${fixed}

${picture}${table(['', ...columns.map((column) => column.title), 'CPU ÷ nginx'], rows)}`;
}

function versusNginx(samples: ScenarioResult['samples'], peer: string): string {
  const cpu = (id: string) => (samples[id] ?? []).map((sample) => sample.cpuUs);
  const of = ratio(cpu(peer), cpu('nginx'));
  return of === null ? '–' : withRange(of);
}

function column(samples: readonly Sample[] | undefined, metric: Metric): Spread | null {
  return spread((samples ?? []).flatMap((sample) => sample[metric] ?? []));
}

/** The split and the tails of a figure are read for their size: a range would bury it. */
function cell(value: Spread | null, metric: Metric): string {
  if (value === null) return '–';
  if (metric === 'errors') return value.max > 0 ? `**${figure(value.max)}**` : '0';
  const isPlain = metric === 'userUs' || metric === 'systemUs' || metric === 'residentMiB' || metric === 'achieved';
  return isPlain ? figure(value.median) : withRange(value);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map((_, i) => (i === 0 ? '---' : '---:'))) + rows.map(line).join('');
}
