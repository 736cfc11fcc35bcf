import { formatDuration } from '../units.ts';

/** Ends a line about what a reload does not apply. */
export const RESTART = ' (needs a restart)';

/** What came, went and changed of things that go by a name; `describe`: one that is in both. */
export function keyed<T>(
  noun: string,
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  describe: (before: T, after: T) => string[],
): string[] {
  const lines: string[] = [];
  for (const [key, was] of Object.entries(before)) {
    const is = Object.hasOwn(after, key) ? after[key] : undefined;
    if (is === undefined) lines.push(`${noun} ${key} removed`);
    else lines.push(...describe(was, is).map((line) => `${noun} ${key}: ${line}`));
  }
  for (const key of Object.keys(after)) if (!Object.hasOwn(before, key)) lines.push(`${noun} ${key} added`);
  return lines;
}

/** What came and went of a list. */
export function listed(noun: string, before: readonly string[], after: readonly string[]): string[] {
  return [
    ...before.filter((item) => !after.includes(item)).map((item) => `${noun} ${item} removed`),
    ...after.filter((item) => !before.includes(item)).map((item) => `${noun} ${item} added`),
  ];
}

/** A line, or none. `note`: put behind it. */
export function changed<T extends string | number>(what: string, before: T, after: T, note = ''): string[] {
  return before === after ? [] : [`${what} ${before} → ${after}${note}`];
}

/** Two times, as people write them. */
export function durations(before: number, after: number): [string, string] {
  return [formatDuration(before), formatDuration(after)];
}

/** A line about something that is not to be shown. */
export function given(what: string, before: string | null, after: string | null): string {
  if (before === null) return `${what} added`;
  return `${what} ${after === null ? 'removed' : 'changed'}`;
}

export function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}
