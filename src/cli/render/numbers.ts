/** `1h02m`, `3m10s`, `12s`, `240ms`: two units at most. */
export function shortDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${pad(seconds % 60)}s`;
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 60)}h${pad(minutes % 60)}m`;
}

/** Of a stage: `hold 30m`. */
export function holdText(ms: number): string {
  return ms === 0 ? 'not held' : `hold ${shortDuration(ms)}`;
}

/** A share (0 to 1) as `5 %`, `0.25 %`: as few digits as tell it from nothing. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value >= 10) return `${Math.round(value)} %`;
  return `${Number(value.toPrecision(2))} %`;
}

/** Milliseconds with one digit below 10. */
export function latency(ms: number): string {
  return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
