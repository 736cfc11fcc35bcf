import type { Config } from '../../src/config/config.ts';
import { type ConfigProblem, formatProblem, parseConfig } from '../../src/config/load.ts';

/** The least configuration. */
export const SERVICE = `services:
  shop:
    upstreams:
      blue: {weight: 1, targets: [http://127.0.0.1:3001]}
`;

/** The least configuration with further top-level keys from line 5 on. */
export function top(text: string): string {
  return SERVICE + text;
}

/** The least configuration with further keys of its service from line 5, column 5 on. */
export function service(text: string): string {
  return SERVICE + text.replace(/^/gm, '    ');
}

/** One service with these upstreams, all on line 1; they begin at column 30. */
export function upstreams(text: string): string {
  return `services: {shop: {upstreams: ${text}}}`;
}

/** What a good configuration in /etc/tealgate becomes. */
export function accepted(text: string, env: NodeJS.ProcessEnv = {}): Config {
  const result = parseConfig(text, '/etc/tealgate/tealgate.yaml', env);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

/** The problems of a bad one, as `line:column path: message`. */
export function refused(
  text: string,
  from: { readonly env?: NodeJS.ProcessEnv; readonly file?: string } = {},
): string[] {
  const result = parseConfig(text, from.file ?? 'f.yaml', from.env ?? {});
  if (result.ok) throw new Error('was accepted');
  return result.problems.map(brief);
}

/** The warnings of a good one, likewise. */
export function warned(text: string): string[] {
  const result = parseConfig(text, 'f.yaml', {});
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.warnings.map(brief);
}

/** The problems of a bad one as people see them. */
export function shown(text: string): string {
  const result = parseConfig(text, 'f.yaml', {});
  if (result.ok) throw new Error('was accepted');
  return result.problems.map(formatProblem).join('\n');
}

function brief({ line, column, path, message }: ConfigProblem): string {
  return `${line}:${column} ${path}: ${message}`;
}
