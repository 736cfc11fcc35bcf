/**
 * How well the guards decide, by simulation: false rollbacks over whole rollouts, and requests until a bad candidate is
 * caught, beside the least that any test of that confidence needs (Wald), beside a bare threshold on a window of a minute
 * and beside the loops of Flagger and Argo Rollouts as they are documented; candidate against stable; and what bursts of
 * errors do. Reproducible to the digit for a seed.
 *
 *     npm run bench:verdict                       all of it, 10,000 rollouts a cell: some minutes; writes bench/results/verdict.*
 *     npm run bench:verdict -- quick              200 a cell, in seconds, to stdout only
 *     npm run bench:verdict -- --rollouts 1000 --seed 7
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bursts } from './verdict/bursts.ts';
import { comparisons, detections, falseAlarms, type Setup } from './verdict/cells.ts';
import { picture } from './verdict/picture.ts';
import { relatives } from './verdict/relative.ts';
import { renderVerdicts, type VerdictReport } from './verdict/report.ts';

const FULL = 10_000;
const QUICK = 200;
const USAGE = 'usage: npm run bench:verdict -- [quick] [--rollouts 10000] [--seed 1] [--confidence 0.99]';

function main(): void {
  const { setup, isFull } = readSetup();
  const report: VerdictReport = {
    ...setup,
    falseAlarms: falseAlarms(setup),
    detections: detections(setup),
    comparisons: comparisons(setup),
    relatives: relatives(setup),
    bursts: bursts(setup),
  };
  const markdown = renderVerdicts(report);
  process.stdout.write(markdown);
  if (!isFull) return;
  const path = (name: string): URL => new URL(`./results/${name}`, import.meta.url);
  writeFileSync(path('verdict.md'), markdown);
  writeFileSync(path('verdict.json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(path('verdict.svg'), picture(report));
}

function readSetup(): { readonly setup: Setup; readonly isFull: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rollouts: { type: 'string' },
      seed: { type: 'string', default: '1' },
      confidence: { type: 'string', default: '0.99' },
    },
  });
  const isQuick = positionals[0] === 'quick';
  const rollouts = Number(values.rollouts ?? (isQuick ? QUICK : FULL));
  const setup = { rollouts, seed: Number(values.seed), confidence: Number(values.confidence) };
  const isSensible =
    positionals.length === (isQuick ? 1 : 0) &&
    Number.isInteger(rollouts) &&
    rollouts > 0 &&
    Number.isInteger(setup.seed) &&
    setup.confidence > 0 &&
    setup.confidence < 1;
  if (isSensible) return { setup, isFull: rollouts >= FULL };
  console.error(USAGE);
  process.exit(2);
}

main();
