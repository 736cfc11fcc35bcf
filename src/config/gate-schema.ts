import { z } from 'zod';
import { describeWindow, type ScheduleWindow } from '../platform/schedule-window.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';
import { formatDuration } from './units.ts';
import { duration, name, object, text } from './values.ts';

/** What must be so before a stage begins. */
export type Gate = 'manual' | HttpGate | ScheduleGate;

/** A webhook is asked until it says yes or no. */
export interface HttpGate {
  readonly kind: 'http';
  /** A name of the configuration's `webhooks`. */
  readonly webhook: string;
  readonly intervalMs: number;
  readonly onNo: 'pause' | 'rollback';
}

/** The stage begins inside the window only. */
export interface ScheduleGate extends ScheduleWindow {
  readonly kind: 'schedule';
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const httpSchema = object({
  webhook: name().describe('Whom to ask: a name under `webhooks`.'),
  interval: duration({ minMs: 100 })
    .prefault('30s')
    .describe('From one question to the next; longer while there is no answer.'),
  onNo: z
    .enum(['pause', 'rollback'])
    .prefault('pause')
    .describe('What a no does: `pause` leaves it to somebody, `rollback` takes the candidate back.'),
});

const scheduleSchema = object({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .prefault([...DAYS])
    .describe('On which days; a window past midnight belongs to the day it begins on.'),
  from: text(parseTimeOfDay, { example: '09:00' }).prefault('00:00').describe('Time of day, such as `09:00`.'),
  to: text(parseTimeOfDay, { example: '17:00' })
    .prefault('24:00')
    .describe('Up to, not including; not after `from`: on the next day.'),
  timeZone: text(parseTimeZone, { example: 'Europe/Berlin' })
    .prefault('UTC')
    .describe('Whose clocks, by IANA name, such as `Europe/Berlin`.'),
});

/** `manual`, `{http: {…}}` or `{schedule: {…}}`. */
export const gateSchema = z.union(
  [
    z.literal('manual'),
    object({
      http: httpSchema.optional().describe('Asks a webhook, until it says yes or no.'),
      schedule: scheduleSchema.optional().describe('Waits for a window of time.'),
    }).refine(({ http, schedule }) => (http === undefined) !== (schedule === undefined), {
      error: 'needs one of `http` and `schedule`, and not both',
    }),
  ],
  { error: 'give manual, or a map of `http` or `schedule`' },
);

export function toGate(settings: z.output<typeof gateSchema>): Gate {
  if (settings === 'manual') return settings;
  if (settings.http !== undefined) {
    const { webhook, interval, onNo } = settings.http;
    return { kind: 'http', webhook, intervalMs: interval, onNo };
  }
  if (settings.schedule === undefined) return 'manual'; // refused by the schema
  const { days, from, to, timeZone } = settings.schedule;
  const numbers = DAYS.flatMap((day, i) => (days.includes(day) ? [i + 1] : []));
  return { kind: 'schedule', days: numbers, fromMinute: from, toMinute: to === 0 ? 1440 : to, timeZone };
}

/** For the list of changes and for people: `gate`, `gate of release-bot`, `gate daily 09:00-17:00 UTC`. */
export function gateText(gate: Gate): string {
  if (gate === 'manual') return 'gate';
  if (gate.kind === 'schedule') return `gate ${describeWindow(gate)}`;
  return `gate of ${gate.webhook} every ${formatDuration(gate.intervalMs)}${gate.onNo === 'rollback' ? ', or rollback' : ''}`;
}

/** A gate as the plan of a rollout has it, and as the admin API shows it. */
export const storedGate = z.union([
  z.literal('manual'),
  z.object({
    kind: z.literal('http'),
    webhook: z.string(),
    intervalMs: z.number(),
    onNo: z.enum(['pause', 'rollback']),
  }),
  z.object({
    kind: z.literal('schedule'),
    days: z.array(z.int().min(1).max(7)).describe('1 is Monday.'),
    fromMinute: z.int().describe('Of the day.'),
    toMinute: z.int(),
    timeZone: z.string(),
  }),
]);

/** Minutes since midnight. */
function parseTimeOfDay(raw: string): Parsed<number> {
  const match = /^(\d{1,2}):(\d{2})$/.exec(raw);
  const minutes = Number(match?.[1]) * 60 + Number(match?.[2]);
  if (match !== null && Number(match[2]) < 60 && minutes <= 1440) return value(minutes);
  return mistake(`${quote(raw)} is not a time of day; write one such as "09:00", up to "24:00"`);
}

function parseTimeZone(raw: string): Parsed<string> {
  try {
    return value(new Intl.DateTimeFormat('en', { timeZone: raw }).resolvedOptions().timeZone);
  } catch {
    return mistake(`${quote(raw)} is not a time zone; write its IANA name, such as Europe/Berlin`);
  }
}
