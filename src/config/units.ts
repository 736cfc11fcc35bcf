import { mistake, type Parsed, quote, value } from './parsed.ts';

const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$/;
const DURATION_UNITS = [86_400_000, 3_600_000, 60_000, 1_000, 1] as const;
const DURATION_NAMES = ['d', 'h', 'm', 's', 'ms'] as const;
const SIZE = /^(\d{1,12})(B|KB|KiB|MB|MiB|GB|GiB)$/;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
};
const PERCENT = /^(\d{1,3}(?:\.\d{1,9})?)%$/;
const BARE_NUMBER = /^\d+(?:\.\d+)?$/;

/** Patterns for the JSON Schema; the functions below decide. */
export const DURATION_PATTERN = '^(?=\\d)(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$';
export const SIZE_PATTERN = '^(\\d+(B|KB|KiB|MB|MiB|GB|GiB)|none)$';
export const PERCENT_PATTERN = '^\\d{1,3}(\\.\\d+)?%$';

/** Milliseconds of `500ms`, `30s`, `10m`, `1h`, `1d` or a combination in that order of size, such as `1m30s`. */
export function parseDuration(text: string): Parsed<number> {
  if (BARE_NUMBER.test(text))
    return mistake(`${text.slice(0, 20)} has no unit; write ${text.slice(0, 20)}s, or ms, m, h, d`);
  const match = text === '' ? null : DURATION.exec(text);
  if (match === null) {
    return mistake(`${quote(text)} is not a duration; write 500ms, 30s, 10m, 1h, 1d or a combination such as 1m30s`);
  }
  return value(DURATION_UNITS.reduce((sum, unit, i) => sum + Number(match[i + 1] ?? 0) * unit, 0));
}

/** The shortest way to write a duration: 90000 is `1m30s`, 0 is `0s`. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  DURATION_UNITS.forEach((unit, i) => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) text += `${count}${DURATION_NAMES[i]}`;
  });
  return text === '' ? '0s' : text;
}

/** Bytes of `512B`, `64KB` (1000), `16KiB` (1024), `1MiB`, `1GiB`; `none` is Infinity. */
export function parseSize(text: string): Parsed<number> {
  if (text === 'none') return value(Number.POSITIVE_INFINITY);
  if (BARE_NUMBER.test(text))
    return mistake(`${text.slice(0, 20)} has no unit; write ${text.slice(0, 20)}B, or KB, KiB, MB, MiB, GiB`);
  const match = SIZE.exec(text);
  if (match === null) return mistake(`${quote(text)} is not a size; write 512B, 64KB, 16KiB, 1MiB or none`);
  return value(Number(match[1]) * (SIZE_UNITS[match[2] ?? ''] ?? 1));
}

/** The shortest exact way to write a size: 16384 is `16KiB`, Infinity is `none`. */
export function formatSize(bytes: number): string {
  if (bytes === Number.POSITIVE_INFINITY) return 'none';
  const unit = ['GiB', 'GB', 'MiB', 'MB', 'KiB', 'KB'].find(
    (name) => bytes >= 1 && bytes % (SIZE_UNITS[name] ?? 1) === 0,
  );
  return unit === undefined ? `${bytes}B` : `${bytes / (SIZE_UNITS[unit] ?? 1)}${unit}`;
}

/** The share, 0 to 1, of `1%`, `0.5%`, `100%`. */
export function parsePercent(text: string): Parsed<number> {
  if (BARE_NUMBER.test(text))
    return mistake(`${text.slice(0, 20)} has no percent sign; write a percentage such as 1% or 0.5%`);
  const digits = PERCENT.exec(text)?.[1];
  // Shifted as text: 99.9 / 100 is 0.9990000000000001.
  const share = digits === undefined ? Number.NaN : Number(`${digits}e-2`);
  if (share <= 1) return value(share);
  return mistake(`${quote(text)} is not a percentage; write 0% to 100%, such as 1% or 0.5%`);
}

export function formatPercent(share: number): string {
  return `${Number((share * 100).toFixed(9))}%`;
}
