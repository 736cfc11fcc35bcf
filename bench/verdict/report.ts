import type { Burst } from './bursts.ts';
import type { Comparison, Delay, Detection, FalseAlarms, Setup } from './cells.ts';
import type { Relative } from './relative.ts';
import { rulesFor } from './rules.ts';

/** Everything that was simulated. */
export interface VerdictReport extends Setup {
  readonly falseAlarms: readonly FalseAlarms[];
  readonly detections: readonly Detection[];
  readonly comparisons: readonly Comparison[];
  readonly relatives: readonly Relative[];
  readonly bursts: readonly Burst[];
}

export function renderVerdicts(report: VerdictReport): string {
  const { rollouts, seed, confidence } = report;
  return `# How well the guards decide

${rollouts} simulated rollouts in each cell, seed ${seed}, confidence ${percent(confidence)}; \`npm run bench:verdict\` makes the
same digits anywhere. Requests are independent, except under "bursts".

![requests until a bad candidate is rolled back](verdict.svg)

## False rollbacks over a whole rollout

The default plan (5 % for 30 minutes, 25 % for 10, 50 % for 10) with a candidate that is within the bound.
"Computed for ever" is the exact chance that Tealgate rolls back a rollout that never ends; a simulated share of 1 % is good to
about ±${percent(Math.sqrt((0.01 * 0.99) / rollouts))} (one standard error).

${falseAlarmTable(report)}
## Requests until a bad candidate is caught

Mean of the candidate's requests, beside Wald's bound ln(1/α)/KL(p₁‖p₀), below which no test of that confidence can be on
average, and beside the budget of 1.35 times that and 2 requests, for rates from three times the bound upwards.

${detectionTable(report.detections)}
## Beside loops that poll

One stage of 30 minutes, at most 1 % allowed. Mean requests of the candidate, and time, until it is rolled back; in brackets the
share of rollouts in which it was, where that is not all.

${comparisonTable(report)}
## Candidate against stable

At most \`ratio\` times stable's rate, in windows of 10 seconds with 40 requests to the candidate and 360 to stable, for 30 minutes.
Where both fail alike, "rolled back" is a false alarm.

${relativeTable(report.relatives)}
## Bursts

What breaks the assumption: a client that meets an error tries again and fails again. Half the allowed 1 % of all requests fail
throughout, so that every rollback is a false one. Counted by client, at most two outcomes of each count.

${burstTable(report.bursts)}`;
}

function falseAlarmTable({ falseAlarms, confidence }: VerdictReport): string {
  const rules = rulesFor({ max: 0.01, confidence });
  return table(
    [
      'allowed',
      'true rate',
      'requests a second',
      'of the candidate',
      'Tealgate, ever',
      ...rules.map(({ title }) => title),
    ],
    falseAlarms.map(({ max, rate, traffic, requests, ever, shares }) => [
      percent(max),
      percent(rate),
      String(traffic),
      String(requests),
      percent(ever),
      ...rules.map(({ id }) => percent(shares[id] ?? 0)),
    ]),
  );
}

function detectionTable(detections: readonly Detection[]): string {
  return table(
    ['allowed', 'true rate', "Wald's bound", 'budget', 'Tealgate, mean', 'median', '(mean − 2) / Wald', ''],
    detections.map(({ max, rate, wald, budget, mean, median, ratio }) => [
      percent(max),
      percent(rate),
      wald.toFixed(1),
      budget.toFixed(1),
      mean.toFixed(1),
      String(median),
      ratio.toFixed(2),
      mean <= budget ? 'ok' : '**over**',
    ]),
  );
}

function comparisonTable({ comparisons, confidence }: VerdictReport): string {
  const rules = rulesFor({ max: 0.01, confidence });
  return table(
    ['traffic', 'true rate', "Wald's bound", ...rules.map(({ title }) => title)],
    comparisons.map(({ traffic, share, rate, wald, rules: delays }) => [
      `${percent(share)} of ${traffic}/s`,
      percent(rate),
      wald.toFixed(1),
      ...rules.map(({ id }) => delayText(delays[id])),
    ]),
  );
}

function delayText(delay: Delay | undefined): string {
  if (delay === undefined || delay.requests === null || delay.seconds === null) return 'never';
  const caught = delay.caught === 1 ? '' : ` (${percent(delay.caught)})`;
  return `${figure(delay.requests)}, ${duration(delay.seconds)}${caught}`;
}

function relativeTable(relatives: readonly Relative[]): string {
  return table(
    ['true rates', 'ratio', 'rolled back', 'requests of the candidate, mean'],
    relatives.map(({ title, ratio, caught, requests }) => [
      title,
      String(ratio),
      percent(caught),
      requests === null ? '' : figure(requests),
    ]),
  );
}

function burstTable(bursts: readonly Burst[]): string {
  return table(
    ['failures in a row, mean', 'rolled back, by request', 'by client'],
    bursts.map(({ length, byRequest, byClient }) => [String(length), percent(byRequest), percent(byClient)]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map((_, i) => (i === 0 ? '---' : '---:'))) + rows.map(line).join('');
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function figure(value: number): string {
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
}

function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}
