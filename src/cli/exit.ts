/** Exit codes of every command, the same everywhere. */
export const EXIT = {
  ok: 0,
  /** The command, or the rollout it waited for, failed or was rolled back. */
  failed: 1,
  /** Wrong usage: unknown names, missing permission, or an invalid configuration. */
  usage: 2,
  timeout: 3,
  /** A gate said no. */
  refused: 4,
  /** The admin endpoint cannot be reached. */
  unreachable: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure of a command: one message for people, the exit code, and the next thing to type. */
export class CliError extends Error {
  readonly exit: ExitCode;
  readonly hint: string | null;
  /** The `code` of a TealgateError, for `--json`. */
  readonly code: string;

  constructor(exit: ExitCode, message: string, more: { hint?: string | null; code?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'CliError';
    this.exit = exit;
    this.hint = more.hint ?? null;
    this.code = more.code ?? NAMES[exit];
  }
}

const NAMES: Record<ExitCode, string> = {
  0: 'ok',
  1: 'failed',
  2: 'usage',
  3: 'timeout',
  4: 'refused_by_gate',
  5: 'unreachable',
};
