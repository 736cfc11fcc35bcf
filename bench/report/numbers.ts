import type { Spread } from '../statistics.ts';

/** Three significant digits, thousands with a comma. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const digits = Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0);
  return digits > 0 ? value.toFixed(Math.min(digits, 4)) : Math.round(value).toLocaleString('en-GB');
}

/** `12.3 (11.9–13.0)`. */
export function withRange({ median, min, max }: Spread): string {
  return min === max ? figure(median) : `${figure(median)} (${figure(min)}–${figure(max)})`;
}
