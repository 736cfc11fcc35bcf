import { pino } from 'pino';
import { plainError, redactLine } from './redact.ts';
import type { LineSink } from './stdout.ts';

export type Logger = pino.Logger;

export interface LoggerOptions {
  /** `trace`, `debug`, `info` (the default), `warn`, `error`, `fatal` or `silent`. */
  readonly level?: string;
  readonly destination: Pick<LineSink, 'write'>;
}

/**
 * A logger of JSON lines: `{"level":"info","time":"2026-…Z","event":"rollout.stage",…,"msg":"…"}`. The first argument of
 * each call carries `event` and its fields, the second a sentence for people; an error goes in `err`.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { destination } = options;
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: plainError },
    },
    { write: (line) => destination.write(redactLine(line)) },
  );
}
