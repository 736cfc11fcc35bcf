import { describe, expect, it } from 'vitest';
import { describeWindow, isWithin, type ScheduleWindow } from '../../src/platform/schedule-window.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const WEEKDAYS = [1, 2, 3, 4, 5];

function window(from: string, to: string, change: Partial<ScheduleWindow> = {}): ScheduleWindow {
  return { days: WEEKDAYS, fromMinute: minute(from), toMinute: minute(to), timeZone: 'Europe/Berlin', ...change };
}

function minute(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}

const inside = (of: ScheduleWindow, iso: string): boolean => isWithin(of, Date.parse(iso));
/** When the window opens next, from a whole minute on; null when it does not within eight days. */
const opens = (of: ScheduleWindow, iso: string): string | null => {
  const from = Date.parse(iso);
  for (let at = from; at <= from + 8 * DAY_MS; at += MINUTE_MS) if (isWithin(of, at)) return new Date(at).toISOString();
  return null;
};

describe('a window in working hours', () => {
  const office = window('09:00', '17:00');

  it('is open from its first minute up to but not including its last, as clocks there show them', () => {
    // Wednesday, 25 November 2026, UTC+1
    expect(inside(office, '2026-11-25T07:59:59.999Z')).toBe(false);
    expect(inside(office, '2026-11-25T08:00:00Z')).toBe(true);
    expect(inside(office, '2026-11-25T15:59:59.999Z')).toBe(true);
    expect(inside(office, '2026-11-25T16:00:00Z')).toBe(false);
  });

  it('moves with summer time', () => {
    // Wednesday, 1 July 2026, UTC+2
    expect(inside(office, '2026-07-01T07:00:00Z')).toBe(true);
    expect(inside(office, '2026-07-01T15:00:00Z')).toBe(false);
  });

  it('is closed on other days, and opens on the next of its own', () => {
    // Saturday, 28 November 2026
    expect(inside(office, '2026-11-28T10:00:00Z')).toBe(false);
    expect(opens(office, '2026-11-28T10:00:00Z')).toBe('2026-11-30T08:00:00.000Z');
    expect(opens(office, '2026-11-25T16:00:00Z')).toBe('2026-11-26T08:00:00.000Z');
  });

  it('opens now while it is open', () => {
    expect(opens(office, '2026-11-25T10:00:00.123Z')).toBe('2026-11-25T10:00:00.123Z');
  });

  it('opens an hour earlier in UTC on the Monday after clocks went forward', () => {
    // Clocks went forward on Sunday, 29 March 2026.
    expect(opens(office, '2026-03-27T16:00:00Z')).toBe('2026-03-30T07:00:00.000Z');
    expect(opens(office, '2026-03-26T16:00:00Z')).toBe('2026-03-27T08:00:00.000Z');
  });
});

describe('a window past midnight', () => {
  const night = window('22:00', '04:00', { days: [5] });

  it('belongs to the day on which it began', () => {
    // Friday, 27 November 2026, 22:00 to Saturday 04:00
    expect(inside(night, '2026-11-27T20:59:00Z')).toBe(false);
    expect(inside(night, '2026-11-27T21:00:00Z')).toBe(true);
    expect(inside(night, '2026-11-28T02:59:00Z')).toBe(true);
    expect(inside(night, '2026-11-28T03:00:00Z')).toBe(false);
    expect(inside(night, '2026-11-27T02:00:00Z')).toBe(false);
    expect(inside(night, '2026-11-28T21:00:00Z')).toBe(false);
  });

  it('follows Sunday with Monday', () => {
    const sunday = window('22:00', '04:00', { days: [7] });
    expect(inside(sunday, '2026-11-30T01:00:00Z')).toBe(true);
  });
});

describe('an hour that summer time leaves out or doubles', () => {
  it('is never in a window when it is left out', () => {
    // In Berlin, 29 March 2026 has no 02:00 to 03:00.
    const gap = window('02:00', '03:00', { days: [7] });
    expect(inside(gap, '2026-03-29T00:59:59Z')).toBe(false);
    expect(inside(gap, '2026-03-29T01:00:00Z')).toBe(false);
    expect(opens(gap, '2026-03-28T12:00:00Z')).toBe('2026-04-05T00:00:00.000Z');
  });

  it('is in a window twice when it comes twice', () => {
    // In Berlin, 25 October 2026 has 02:00 to 03:00 twice.
    const twice = window('02:00', '03:00', { days: [7] });
    expect(inside(twice, '2026-10-25T00:30:00Z')).toBe(true);
    expect(inside(twice, '2026-10-25T01:30:00Z')).toBe(true);
    expect(inside(twice, '2026-10-25T02:00:00Z')).toBe(false);
  });
});

describe('a window all day', () => {
  it('ends at midnight, and zones half an hour off are read right', () => {
    const day = window('00:00', '24:00', { days: [3], timeZone: 'Asia/Kolkata' });
    expect(inside(day, '2026-11-24T18:29:59Z')).toBe(false);
    expect(inside(day, '2026-11-24T18:30:00Z')).toBe(true);
    expect(inside(day, '2026-11-25T18:29:59Z')).toBe(true);
    expect(inside(day, '2026-11-25T18:30:00Z')).toBe(false);
  });
});

it('is described as it would be written', () => {
  expect(describeWindow(window('09:00', '17:00'))).toBe('Mon, Tue, Wed, Thu, Fri 09:00-17:00 Europe/Berlin');
  expect(describeWindow(window('00:00', '24:00', { days: [1, 2, 3, 4, 5, 6, 7], timeZone: 'UTC' }))).toBe(
    'daily 00:00-24:00 UTC',
  );
});
