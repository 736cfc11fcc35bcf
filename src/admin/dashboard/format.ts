/** `12,345`, of an integer. By hand: making the first `Intl.NumberFormat` reads its data, some 20 ms. */
export function formatCount(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `0`, `0.4`, `7.2`, `1,240` */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return '–';
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));
}

/** `0 %`, `0.04 %`, `1.2 %`, `12 %`, from a share of 0 to 1. */
export function formatShare(share: number | null): string {
  if (share === null) return '–';
  const percent = share * 100;
  const digits = percent === 0 || percent >= 10 ? 0 : percent >= 1 ? 1 : 2;
  return `${percent.toFixed(digits)} %`;
}

/** `0.4 ms`, `12 ms`, `1.2 s` */
export function formatLatency(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** The two largest units: `850 ms` is `0 s`, `4 min 5 s`, `3 h 20 min`, `2 d 1 h`. */
export function formatDuration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return pair(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86_400) return pair(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return pair(Math.floor(s / 86_400), 'd', Math.floor((s % 86_400) / 3600), 'h');
}

/** `03:04:05` in UTC; the whole instant is in `isoTime`. */
export function clockTime(at: number): string {
  return isoTime(at).slice(11, 19);
}

export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

/** `rolled_back` as people write it. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
