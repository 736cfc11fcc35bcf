/**
 * The evidence of one window of two samples against a linear null, as a bet that cannot be expected to win while the
 * null holds.
 *
 * Of `n_s` stable and `n_c` candidate requests with chances of a hit p_s and p_c, the null says p_c ≤ r·p_s + m. Take a
 * point (s, c) on its border, c = r·s + m, and stake
 *
 *     S = Π (1 + A (y_s − s)) · Π (1 + B (y_c − c)),    n_s·A = −r·n_c·B,   B > 0,
 *
 * over the outcomes y (1 for a hit) of both samples. Since ln(1 + x) ≤ x, ln E[S] ≤ n_s·A (p_s − s) + n_c·B (p_c − c)
 * = n_c·B (p_c − r·p_s − m) ≤ 0: S is an e-value whatever p_s is, and the product over windows is one even if p_s is
 * another in every window. As ln(1 + A (p − s)) is concave in p, it is enough that the *averages* over the window obey
 * the null: requests of a window need not be alike, only independent. With B < 0 the same is an e-value against
 * p_c ≥ r·p_s + m.
 *
 * For an alternative (s₁, c₁) the best border point is the one nearest in relative entropy (the reverse information
 * projection); S is then the likelihood ratio of the alternative to it.
 *
 * Source: R. Turner, A. Ly, P. Grünwald, Generic E-variables for exact sequential k-sample tests that allow for optional
 * stopping (2021, arXiv:2106.02693), and R. Turner, P. Grünwald, Exact anytime-valid confidence intervals for
 * contingency tables and beyond (2022, arXiv:2203.09785), for linear nulls.
 */

/** Requests of one side in one window, and those of them that a guard counts against it. */
export interface Share {
  readonly trials: number;
  readonly hits: number;
}

/** What both sides did in the same window. */
export interface Window {
  readonly candidate: Share;
  readonly stable: Share;
}

/** p_candidate ≤ ratio · p_stable + margin. */
export interface Border {
  /** 0 or more. */
  readonly ratio: number;
  /** 0 to below 1. */
  readonly margin: number;
}

/** Rates under which a bet would do best; chosen from what was seen before the window. */
export interface Alternative {
  readonly stable: number;
  readonly candidate: number;
}

/** Below this a factor counts as this: a bet loses all only where rounding says so. */
const LEAST = 1e-300;
/** Halvings until the border point has all its digits. */
const HALVINGS = 60;

/**
 * ln of the bet on one side of the border. 0 where the window says nothing about it: without requests on either side, or
 * when the alternative lies on the border.
 *
 * @param alternative with both rates above 0 and below 1; above the border bets against ≤, below it against ≥
 */
export function logBet({ candidate, stable }: Window, alternative: Alternative, border: Border): number {
  if (candidate.trials === 0 || stable.trials === 0) return 0;
  const s = project(candidate.trials, stable.trials, alternative, border);
  const c = border.ratio * s + border.margin;
  if (!(s > 0 && s < 1 && c > 0 && c < 1)) return 0;
  const onCandidate = (alternative.candidate - c) / (c * (1 - c));
  const onStable = (-border.ratio * candidate.trials * onCandidate) / stable.trials;
  return logFactors(candidate, onCandidate, c) + logFactors(stable, onStable, s);
}

function logFactors({ trials, hits }: Share, stake: number, rate: number): number {
  const logHit = Math.log(Math.max(LEAST, 1 + stake * (1 - rate)));
  const logMiss = Math.log(Math.max(LEAST, 1 - stake * rate));
  return (hits === 0 ? 0 : hits * logHit) + (hits === trials ? 0 : (trials - hits) * logMiss);
}

/** The stable rate of the border point nearest to the alternative: where the derivative of the entropy is 0. */
function project(nc: number, ns: number, { stable, candidate }: Alternative, { ratio, margin }: Border): number {
  const slope = (s: number): number => {
    const c = ratio * s + margin;
    return (ns * (stable - s)) / (s * (1 - s)) + (ratio * nc * (candidate - c)) / (c * (1 - c));
  };
  const opposite = ratio === 0 ? stable : (candidate - margin) / ratio;
  let low = Math.max(0, Math.min(stable, opposite));
  let high = Math.min(1, Math.max(stable, opposite));
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
