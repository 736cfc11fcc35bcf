import { printable } from '../config/problem.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';

/** The parts of an RFC 9457 problem document that the commands show. */
interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  /** One sentence for each thing that is wrong, where there may be several. */
  readonly problems?: readonly unknown[];
}

/** Turns an answer of 4xx or 5xx into the error that the user reads. Never throws: any body will do. */
export function problemError(status: number, body: string): CliError {
  const problem = parseProblem(body);
  const code = problem.code ?? `http_${status}`;
  const head = problem.detail ?? problem.title ?? `the gate answered ${status}`;
  // The detail often ends with the first of them, or has all between semicolons.
  const more = (problem.problems ?? []).map(String).filter((text) => !`${head};`.includes(`${text};`));
  // Printed as lines; each may quote what a stranger sent.
  const message = [head, ...more].join('\n').split('\n').map(printable).join('\n');
  return new CliError(exitOf(status, code), message, { code });
}

function parseProblem(body: string): Problem {
  try {
    const value: unknown = JSON.parse(body);
    // Every field is optional in RFC 9457, so any object is a problem document.
    return typeof value === 'object' && value !== null ? (value as Problem) : {};
  } catch {
    // A proxy in between may answer in HTML; the status says enough.
    return {};
  }
}

function exitOf(status: number, code: string): ExitCode {
  if (code === 'refused_by_gate') return EXIT.refused;
  if (status === 409 || status === 412) return EXIT.failed;
  if (status === 503) return EXIT.unreachable;
  if (status === 504) return EXIT.timeout;
  return status < 500 ? EXIT.usage : EXIT.failed;
}
