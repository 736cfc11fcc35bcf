/**
 * How well the error-rate guard decides, by simulation: false rollbacks over whole rollouts, and requests until a bad
 * candidate is caught, beside the least that any test of that confidence needs (Wald) and beside a bare threshold on a
 * window. Reproducible to the digit for a seed.
 *
 *     node bench/verdict.ts [--rollouts 2000] [--seed 1] [--max 0.01] [--confidence 0.99]
 */
import { parseArgs } from 'node:util';
import { logThreshold } from '../src/rollout/statistics/one-rate.ts';
import { fuseLimits } from '../src/rollout/statistics.ts';

/** Candidate requests of a whole rollout: 5 % of 40 requests a second for an hour and then 50 % for a quarter. */
const ROLLOUT_REQUESTS = 25_200;
/** The bare thresholds: "error share of the last window above max", judged at the end of each window. */
const WINDOWS = [100, 300, 1000] as const;

interface Setup {
  readonly rollouts: number;
  readonly seed: number;
  readonly max: number;
  readonly confidence: number;
}

/** Runs one candidate for at most `requests` at a true rate; returns at which request it was rolled back, or null. */
type Rule = (random: () => number, rate: number, requests: number) => number | null;

function main(): void {
  const setup = readSetup();
  const rules: readonly (readonly [string, Rule])[] = [
    ['Tealgate, sequential', sequentialRule(setup)],
    ...WINDOWS.map((size) => [`threshold, window of ${size}`, windowRule(size, setup.max)] as const),
  ];
  console.log(
    `max ${percent(setup.max)}, confidence ${percent(setup.confidence)}, ${setup.rollouts} rollouts a cell, seed ${setup.seed}\n`,
  );
  printFalseRollbacks(setup, rules);
  printDetection(setup, rules);
}

function readSetup(): Setup {
  const { values } = parseArgs({
    options: {
      rollouts: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      max: { type: 'string', default: '0.01' },
      confidence: { type: 'string', default: '0.99' },
    },
  });
  const setup = {
    rollouts: Number(values.rollouts),
    seed: Number(values.seed),
    max: Number(values.max),
    confidence: Number(values.confidence),
  };
  const sensible =
    Number.isInteger(setup.rollouts) &&
    setup.rollouts > 0 &&
    Number.isInteger(setup.seed) &&
    setup.max > 0 &&
    setup.max < 1 &&
    setup.confidence > 0 &&
    setup.confidence < 1;
  if (sensible) return setup;
  console.error('usage: node bench/verdict.ts [--rollouts 2000] [--seed 1] [--max 0.01] [--confidence 0.99]');
  process.exit(2);
}

function printFalseRollbacks(setup: Setup, rules: readonly (readonly [string, Rule])[]): void {
  console.log(`False rollbacks in a rollout of ${ROLLOUT_REQUESTS} candidate requests\n`);
  const rates = [setup.max / 2, setup.max];
  printRow(['rule', ...rates.map((rate) => `true rate ${percent(rate)}`)]);
  printRow(['---', ...rates.map(() => '---:')]);
  for (const [name, rule] of rules) {
    const shares = rates.map((rate) => simulate(setup, rule, rate, ROLLOUT_REQUESTS).length / setup.rollouts);
    printRow([name, ...shares.map(percent)]);
  }
  console.log();
}

function printDetection(setup: Setup, rules: readonly (readonly [string, Rule])[]): void {
  const rates = [3 * setup.max, 10 * setup.max, 1].filter((rate) => rate <= 1);
  const walds = rates.map((rate) => logThreshold(setup.confidence) / kullbackLeibler(rate, setup.max));
  console.log('Candidate requests until a bad candidate is rolled back, mean (median)\n');
  printRow(['rule', ...rates.map((rate) => `true rate ${percent(rate)}`)]);
  printRow(['---', ...rates.map(() => '---:')]);
  printRow(['least possible on average (Wald)', ...walds.map((wald) => wald.toFixed(1))]);
  printRow(['budget: 1.35 × Wald + 2', ...walds.map((wald) => (1.35 * wald + 2).toFixed(1))]);
  for (const [name, rule] of rules) {
    const cells = rates.map((rate) => {
      const delays = simulate(setup, rule, rate, Number.POSITIVE_INFINITY);
      return `${mean(delays).toFixed(1)} (${median(delays)})`;
    });
    printRow([name, ...cells]);
  }
}

/** At which request each of the rollouts was rolled back, those that were. */
function simulate({ rollouts, seed }: Setup, rule: Rule, rate: number, requests: number): readonly number[] {
  const random = mulberry32(seed);
  const delays: number[] = [];
  for (let i = 0; i < rollouts; i++) {
    const tripped = rule(random, rate, requests);
    if (tripped !== null) delays.push(tripped);
  }
  return delays;
}

function sequentialRule({ max, confidence }: Setup): Rule {
  // The fuse's table is the verdict; it is lengthened when a simulated rollout outlives it.
  let limits = fuseLimits({ max, confidence }, ROLLOUT_REQUESTS);
  return (random, rate, requests) => {
    let errors = 0;
    for (let n = 1; n <= requests; n++) {
      if (random() < rate) errors++;
      if (n > limits.length) limits = fuseLimits({ max, confidence }, 2 * limits.length);
      if (errors >= (limits[n - 1] ?? Number.POSITIVE_INFINITY)) return n;
    }
    return null;
  };
}

function windowRule(size: number, max: number): Rule {
  return (random, rate, requests) => {
    for (let n = size; n <= requests; n += size) {
      let errors = 0;
      for (let i = 0; i < size; i++) if (random() < rate) errors++;
      if (errors / size > max) return n;
    }
    return null;
  };
}

function kullbackLeibler(p: number, q: number): number {
  return p * Math.log(p / q) + (p < 1 ? (1 - p) * Math.log((1 - p) / (1 - q)) : 0);
}

/** Tommy Ettinger's mulberry32: small, fast, and good enough to toss coins. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function printRow(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

main();
