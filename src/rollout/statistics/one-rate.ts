/**
 * The sequential test behind the error-rate guard: is a rate above (or below) a bound, asked as often as one likes.
 *
 * With p0 the allowed rate, each alternative rate p gives a likelihood ratio after `n` trials with `s` errors,
 *
 *     (p / p0)^s · ((1 − p) / (1 − p0))^(n − s).
 *
 * For p > p0 it is a supermartingale that starts at 1 whenever the true rate of every trial, given those before it, is at
 * most p0; so is any mixture over p fixed in advance, the e-process E below. Ville's inequality then bounds the chance
 * that E *ever* reaches 1/α by α, over unlimited looks: deciding after every request costs nothing in validity. The
 * mixture depends on the counts alone, so nothing but `n` and `s` need be kept.
 *
 * Assumed: the chance of an error, given what came before, does not exceed the bound while all is well. Independent
 * outcomes satisfy it; bursts do not (one client's retry storm counts each of its failures as fresh evidence).
 *
 * Sources: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Statistical methods related to the law
 * of the iterated logarithm (1970), for mixtures; A. Wald, Sequential Analysis (1947), for ln(1/α)/KL(p‖p0), the mean
 * number of trials below which no such test can go; A. Ramdas et al., Game-theoretic statistics and safe anytime-valid
 * inference (2023), for the whole.
 *
 * The same digits come out everywhere: V8 computes Math.log, log1p, exp and expm1 with its own port of fdlibm.
 */

/**
 * ln of the e-value against "the true rate is at most `max`". Above 0 speaks for a higher rate, and it never falls when
 * an error is added. Finite for every input; stable for counts up to 1e9.
 *
 * @param max the allowed rate; at 0 a single error is final, at 1 nothing is
 */
export function logEValue(trials: number, errors: number, max: number): number {
  if (max <= 0) return errors > 0 ? Number.MAX_VALUE : 0;
  return logMixture(trials, errors, alternativesAbove(max));
}

/** {@link logEValue} for one bound and many counts: what depends on the bound alone is computed once. */
export function logEValueOf(max: number): (trials: number, errors: number) => number {
  const alternatives = alternativesAbove(max);
  return (trials, errors) => logMixture(trials, errors, alternatives);
}

/** The mirror image: ln of the e-value against "the true rate is at least `max`". At `max` 0 it stays 0. */
export function logEValueBelow(trials: number, errors: number, max: number): number {
  if (max >= 1) return errors < trials ? Number.MAX_VALUE : 0;
  return logMixture(trials, errors, alternativesBelow(max));
}

/**
 * ln(1/(1 − confidence)), what an e-value must reach by Ville's inequality. Of {@link logEValue} less is enough, since it
 * is known how far it overshoots: see boundary.ts. A confidence beyond 1 − 1e-12 counts as that, since certainty is
 * never reached.
 */
export function logThreshold(confidence: number): number {
  return -Math.log1p(-Math.min(confidence, 1 - 1e-12));
}

/** One rate of the mixture: what an error and a success add to its ln likelihood ratio, and ln of its weight. */
interface Alternative {
  readonly logError: number;
  readonly logSuccess: number;
  readonly logWeight: number;
}

/**
 * The mixing measure. Rates are laid out by their distance d from the bound in log odds, growing by a constant factor:
 * the evidence at the moment of decision tells rates apart to about d/3, so equal steps in ln d cost equally much
 * everywhere. Weights rise with d³ up to ln 7.4, since what is only slightly above the bound takes long to see anyway;
 * and they fall with (1 − p)², since near p = 1 a few trials decide under any weight. Found by computing the expected
 * time to detection exactly: at α = 1 %, with the threshold of boundary.ts and for every rate from three times the bound
 * upwards, it stays within 2 trials and 1.01, 1.08, 1.21, 1.22, 1.29 and 1.44 times Wald's figure for bounds of 10 %,
 * 5 %, 1 %, 0.5 %, 0.1 % and 0.01 %.
 */
const MEASURE = { first: 0.1, growth: 1.3, full: 2 } as const;

function alternativesAbove(max: number): readonly Alternative[] {
  const unweighted: { d: number; success: number }[] = [];
  for (let d: number = MEASURE.first; ; d *= MEASURE.growth) {
    // (1 − p)/(1 − p0) = 1/(1 + p0 (e^d − 1)), without the cancellation of computing p first.
    const success = 1 / (1 + max * Math.expm1(d));
    if (success < 0.01) break;
    unweighted.push({ d, success });
  }
  // The last one stands for "nearly everything fails".
  unweighted.push({ d: Math.log1p(99 / max), success: 0.01 });
  return weighted(unweighted);
}

/** Down to a rate 400 times below the bound; beyond that they can no longer be told apart. */
function alternativesBelow(max: number): readonly Alternative[] {
  const unweighted: { d: number; success: number }[] = [];
  for (let d: number = MEASURE.first; d <= 6; d *= MEASURE.growth) {
    unweighted.push({ d: -d, success: 1 / (1 + max * Math.expm1(-d)) });
  }
  return weighted(unweighted);
}

function weighted(alternatives: readonly { readonly d: number; readonly success: number }[]): readonly Alternative[] {
  const weights = alternatives.map(({ d, success }) => {
    const rise = Math.min(1, Math.abs(d) / MEASURE.full);
    const fall = Math.min(1, success);
    return rise * rise * rise * fall * fall;
  });
  const logTotal = Math.log(weights.reduce((sum, weight) => sum + weight, 0));
  return alternatives.map(({ d, success }, i) => {
    const logSuccess = Math.log(success);
    return { logError: d + logSuccess, logSuccess, logWeight: Math.log(weights[i] ?? 0) - logTotal };
  });
}

/** ln Σ exp(…), taken relative to the largest term so that nothing overflows. */
function logMixture(trials: number, errors: number, alternatives: readonly Alternative[]): number {
  // Two cells read one after the other may show an error before its trial.
  const successes = Math.max(0, trials - errors);
  const logOf = ({ logWeight, logError, logSuccess }: Alternative): number =>
    logWeight + errors * logError + successes * logSuccess;
  let largest = Number.NEGATIVE_INFINITY;
  for (const alternative of alternatives) largest = Math.max(largest, logOf(alternative));
  let sum = 0;
  for (const alternative of alternatives) sum += Math.exp(logOf(alternative) - largest);
  return largest + Math.log(sum);
}
