import { mistake, type Parsed, quote, value } from '../config/parsed.ts';
import { suggest } from '../config/suggest.ts';
import { type Bases, formatMeasure, METRIC_NAMES, METRICS, type Measures, type Metric } from './metrics.ts';

type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** `p99<50ms` */
export interface Expectation {
  /** As it was written, without blanks. */
  readonly text: string;
  readonly metric: Metric;
  readonly operator: Operator;
  /** Milliseconds, a count, requests per second, or with `share` 0 to 1 and more. */
  readonly bound: number;
  readonly share: boolean;
}

/** What became of an expectation. */
export interface Check {
  readonly expectation: string;
  readonly ok: boolean;
  readonly actual: number | null;
  /** One line for people: `p99 is 63 ms`. */
  readonly detail: string;
}

const SHAPE = /^([A-Za-z][\w.]*)(==|!=|<=|>=|<|>)([^=<>!]+)$/;
const NUMBER = /^\d{1,15}(?:\.\d{1,6})?$/;
const DURATION = /^(\d{1,12}(?:\.\d{1,6})?)(us|µs|ms|s|m)$/;
const DURATION_MS: Readonly<Record<string, number>> = { us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 60e3 };
const PERCENT = /^(\d{1,6}(?:\.\d{1,6})?)%$/;

/** Reads `METRIC OPERATOR VALUE`; blanks do not matter. */
export function parseExpectation(text: string): Parsed<Expectation> {
  const compact = text.replace(/\s+/g, '');
  const [, name, operator, raw] = SHAPE.exec(compact) ?? [];
  if (name === undefined || operator === undefined || raw === undefined) {
    const equals = /^[\w.]+=[^=<>]/.test(compact) ? '; equal is written ==' : '';
    return mistake(`${quote(text)} is not an expectation; write METRIC OPERATOR VALUE, such as p99<50ms${equals}`);
  }
  const metric = METRIC_NAMES.find((known) => known === name);
  if (metric === undefined) {
    const meant = suggest(name, METRIC_NAMES);
    const known = meant === null ? `known are ${METRIC_NAMES.join(', ')}` : `did you mean ${meant}?`;
    return mistake(`${quote(text)}: ${name} is not a metric; ${known}`);
  }
  const bound = parseBound(metric, raw);
  if (!bound.ok) return mistake(`${quote(text)}: ${bound.mistake}`);
  // SHAPE lets no other operator through.
  return value({ text: compact, metric, operator: operator as Operator, ...bound.value });
}

function parseBound(metric: Metric, raw: string): Parsed<{ bound: number; share: boolean }> {
  const { unit, shareOf } = METRICS[metric];
  const percent = PERCENT.exec(raw)?.[1];
  if (percent !== undefined) {
    if (shareOf === null) return mistake(`${metric} cannot be a percentage`);
    // Shifted as text: 99.9 / 100 is 0.9990000000000001.
    return value({ bound: Number(`${percent}e-2`), share: true });
  }
  if (unit === 'duration') {
    const [, digits, of] = DURATION.exec(raw) ?? [];
    if (digits === undefined || of === undefined) {
      const unitless = NUMBER.test(raw) ? `${raw} has no unit; write ${raw}ms` : `${quote(raw)} is not a duration`;
      return mistake(`${unitless}, such as 50ms, 1.5s or 800us`);
    }
    return value({ bound: Number(digits) * (DURATION_MS[of] ?? 1), share: false });
  }
  const plain = unit === 'perSecond' ? raw.replace(/\/s$/, '') : raw;
  if (NUMBER.test(plain)) return value({ bound: Number(plain), share: false });
  return mistake(`${quote(raw)} is not a number${shareOf === null ? '' : ' or a percentage'}, such as 0`);
}

/** A measure that is not known fails whatever is expected of it. */
export function judge(expectation: Expectation, measures: Measures, bases: Bases): Check {
  const { text, metric, operator, bound, share } = expectation;
  const actual = measures[metric];
  if (actual === null) return { expectation: text, ok: false, actual, detail: `${metric} is not known` };
  const { shareOf } = METRICS[metric];
  const base = share && shareOf !== null ? bases[shareOf] : 1;
  if (base === null) return { expectation: text, ok: false, actual, detail: `there is no ${shareOf} to compare with` };
  const shown = formatMeasure(metric, actual);
  // Of nothing, nothing is a share of 0.
  const compared = base === 0 ? 0 : actual / base;
  const percent = share ? ` (${Number((compared * 100).toPrecision(3))}%)` : '';
  return {
    expectation: text,
    ok: compare(compared, operator, bound),
    actual,
    detail: `${metric} is ${shown}${percent}`,
  };
}

function compare(a: number, operator: Operator, b: number): boolean {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}
