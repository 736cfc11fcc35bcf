import type { GuardEvidence } from './evidence.ts';
import { logEValue, logEValueBelow, logThreshold } from './statistics/one-rate.ts';
import { figure, percent } from './words.ts';

/** Attempts beyond which nobody waits. */
const MOST = 1e9;

/** What a guard would have needed to say something else, by its own numbers; nothing for guards that ask elsewhere. */
export function needed(evidence: GuardEvidence): readonly string[] {
  const rate = rateOf(evidence);
  if (rate !== null) return neededOf(rate);
  return 'logE' in evidence ? [evidenceText(evidence)] : [];
}

/** A share held against a bound. */
interface Rate {
  readonly verdict: GuardEvidence['verdict'];
  readonly trials: number;
  readonly hits: number;
  readonly max: number;
  readonly confidence: number;
  readonly logE: number;
  readonly logThreshold: number;
  /** What counts against it, one and many. */
  readonly one: string;
  readonly many: string;
}

function rateOf(evidence: GuardEvidence): Rate | null {
  if ('errors' in evidence) return { ...evidence, hits: evidence.errors, one: 'failure', many: 'failures' };
  if (!('slow' in evidence)) return null;
  const max = Number((1 - evidence.quantile).toPrecision(12));
  return { ...evidence, hits: evidence.slow, max, one: 'slow one', many: 'slow ones' };
}

function neededOf(rate: Rate): string[] {
  const { verdict, trials, hits, one, many } = rate;
  if (trials === 0) return [];
  const least = leastToFail(rate);
  const line = evidenceText(rate);
  if (verdict === 'fail') return [line, `${least} ${many} among ${trials} are enough to fail, and there were ${hits}`];
  const more =
    least > trials ? `more than ${trials} attempts` : `${least} ${many} among ${trials}, and there were ${hits}`;
  const toFail = `to fail it would have taken ${more}`;
  if (verdict === 'pass') return [line, toFail];
  const good = attemptsToPass(rate);
  const toPass =
    good === null
      ? `at this rate it does not come to a pass against ${percent(rate.max)}`
      : `to pass it would take ${good} more attempts without a ${one}`;
  return [line, toFail, toPass];
}

/** An e-value as odds: how much likelier what was seen is under a rate that is too high. */
function evidenceText({
  logE,
  logThreshold: threshold,
}: {
  readonly logE: number;
  readonly logThreshold: number;
}): string {
  return `evidence against it ${odds(logE)}, of the ${odds(threshold)} at which it fails`;
}

function odds(log: number): string {
  return log > 20 ? 'more than a hundred million to 1' : `${figure(Math.exp(log))} to 1`;
}

function leastToFail({ trials, max, logThreshold: threshold }: Rate): number {
  let least = 0;
  let enough = trials + 1;
  while (enough - least > 1) {
    const middle = (least + enough) >> 1;
    if (logEValue(trials, middle, max) >= threshold) enough = middle;
    else least = middle;
  }
  return enough;
}

/** Good ones in a row from here; null when they would never be enough. */
function attemptsToPass({ trials, hits, max, confidence }: Rate): number | null {
  const passes = (more: number): boolean => logEValueBelow(trials + more, hits, max) >= logThreshold(confidence);
  let enough = 1;
  while (!passes(enough)) {
    enough *= 2;
    if (enough > MOST) return null;
  }
  let few = 0;
  while (enough - few > 1) {
    const middle = (few + enough) >> 1;
    if (passes(middle)) enough = middle;
    else few = middle;
  }
  return enough;
}
