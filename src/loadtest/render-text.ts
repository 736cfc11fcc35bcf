import type { Report } from './report.ts';
import { headline, rows, upstreamText } from './rows.ts';

export type Paint = (format: 'green' | 'red' | 'bold' | 'dim', text: string) => string;

/** A report as lines for people. */
export function renderText(report: Report, paint: Paint): string[] {
  const facts = rows(report);
  const width = Math.max(...facts.map(({ name }) => name.length));
  return [
    paint('bold', headline(report)),
    ...facts.map(({ name, text }) => `  ${paint('dim', name.padEnd(width))}  ${text}`),
    ...report.upstreams.map((upstream) => `  ${upstreamText(upstream)}`),
    ...report.checks.map(({ ok, expectation, detail }) => verdictLine(ok, `${expectation}: ${detail}`, paint)),
    ...report.problems.map((problem) => verdictLine(false, problem, paint)),
    ...(report.logs === null ? [] : [`  output of the processes: ${report.logs}`]),
    report.ok ? paint('green', 'passed') : paint('red', 'failed'),
  ];
}

function verdictLine(ok: boolean, text: string, paint: Paint): string {
  return ok ? `  ${paint('green', '✓')} ${text}` : `  ${paint('red', '✗')} ${text}`;
}
