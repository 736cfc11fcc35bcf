/** When a stage may begin: on some days, between two times of day, as clocks in a time zone show them. */
export interface ScheduleWindow {
  /** 1 (Monday) to 7 (Sunday). */
  readonly days: readonly number[];
  /** Minutes since midnight, 0 to 1439. */
  readonly fromMinute: number;
  /** Exclusive, 1 to 1440. Not after `fromMinute`: the window goes on past midnight, and belongs to the day it began. */
  readonly toMinute: number;
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

/**
 * Whether a moment is inside the window. Decided by what a clock on the wall shows, so that an hour that summer time
 * leaves out is never in it, and one that comes twice is in it twice.
 *
 * @param at ms since the Unix epoch
 */
export function isWithin(window: ScheduleWindow, at: number): boolean {
  const { day, minute } = wallClock(window.timeZone, at);
  const { fromMinute: from, toMinute: to, days } = window;
  if (from < to) return days.includes(day) && minute >= from && minute < to;
  const before = day === 1 ? 7 : day - 1;
  return (days.includes(day) && minute >= from) || (days.includes(before) && minute < to);
}

/** `Mon, Tue 09:00-17:00 Europe/Berlin`. */
export function describeWindow({ days, fromMinute, toMinute, timeZone }: ScheduleWindow): string {
  const named = days.map((day) => DAY_NAMES[day - 1]).join(', ');
  return `${days.length === 7 ? 'daily' : named} ${timeOfDay(fromMinute)}-${timeOfDay(toMinute)} ${timeZone}`;
}

const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

function timeOfDay(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

/** Making one reads tables of a zone's history, which costs more than all else here. */
const formats = new Map<string, Intl.DateTimeFormat>();

function wallClock(timeZone: string, at: number): { readonly day: number; readonly minute: number } {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const shown = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-GB', { timeZone, ...shown });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = DAY_NAMES.indexOf(parts.weekday ?? '') + 1;
  return { day, minute: Number(parts.hour) * 60 + Number(parts.minute) };
}
