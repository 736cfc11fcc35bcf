import { dirname, resolve } from 'node:path';
import { buildConfig } from './build.ts';
import { readCertificates } from './certificates.ts';
import { checkSettings } from './checks.ts';
import type { Config } from './config.ts';
import { locate, type Mistake, readDocument, type Tree } from './document.ts';
import { PemReader } from './pem.ts';
import type { ConfigProblem, Finding, Path } from './problem.ts';
import { decodeUtf8, readBounded } from './read-file.ts';
import { References } from './references.ts';
import { Source } from './source.ts';
import { readServerTls, readTargetTls } from './target-tls.ts';
import { validate } from './validate.ts';
import { warnAbout } from './warnings.ts';

export type { ConfigProblem } from './problem.ts';
export { formatProblem } from './problem.ts';

/**
 * `files`: absolute paths of what else the configuration is made of, `${file:PATH}` and certificates, whether or not they
 * could be read; a change of one is a change.
 */
export type LoadResult = { readonly files: readonly string[] } & (
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }
);

const MAX_CONFIG_BYTES = 1024 * 1024;
/** More than anyone reads; a file with this many mistakes is of another kind. */
const MAX_PROBLEMS = 100;

/** Reads a configuration file. Never throws for what is in the file, nor for a file that is not there. */
export function loadConfig(path: string, env: NodeJS.ProcessEnv = process.env): LoadResult {
  const read = readBounded(path, MAX_CONFIG_BYTES);
  if (!read.ok) return { ok: false, files: [], problems: [new Source(path, '').problem(0, [], read.mistake)] };
  const text = decodeUtf8(read.value);
  if (text === null) return { ok: false, files: [], problems: [undecodable(path, read.value)] };
  return parseConfig(text, path, env);
}

/** As `loadConfig`, for text that was read already; `file` names it in messages and is what paths in it are relative to. */
export function parseConfig(text: string, file: string, env: NodeJS.ProcessEnv = process.env): LoadResult {
  const source = new Source(file, text.replace(/^\ufeff/, ''));
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) {
    return {
      ok: false,
      files: [],
      problems: [source.problem(0, [], `is larger than ${MAX_CONFIG_BYTES / 1024} KiB; make it smaller`)],
    };
  }
  const { tree, mistakes } = readDocument(source.text);
  if (tree === null || mistakes.length > 0) return { ok: false, files: [], problems: report(source, mistakes) };

  const directory = dirname(resolve(file));
  const references = new References(source.text, env, directory);
  const data = references.replaceIn(tree, []);
  const { settings, findings, broken } = validate(data, references);
  const clean = (...path: Path) => !broken.touches(path) && !references.failed.touches(path);
  const reader = new PemReader({ directory, nowMs: Date.now() });
  const tls = settings === null ? [] : readCertificates(settings.listeners, { reader, directory, clean });
  const targetTls = readTargetTls(settings?.services ?? {}, { reader, clean });
  const prometheusTls = readServerTls('prometheus', settings?.prometheus ?? {}, { reader, clean });
  const webhookTls = readServerTls('webhooks', settings?.webhooks ?? {}, { reader, clean });
  const checked = settings === null ? [] : checkSettings(settings, clean);
  const all = [...findings, ...checked, ...reader.findings].map((finding) => locatedIn(tree, finding));
  const problems = [...references.mistakes, ...all];
  const files = [...references.files, ...reader.files];
  if (settings === null || problems.length > 0) return { ok: false, files, problems: report(source, problems) };
  const warnings = report(
    source,
    [...warnAbout(settings), ...reader.warnings].map((finding) => locatedIn(tree, finding)),
  );
  const config = buildConfig(settings, { directory, tls, targetTls, prometheusTls, webhookTls });
  return { ok: true, files, config, warnings };
}

function locatedIn(tree: Tree, { path, message, atKey }: Finding): Mistake {
  return { offset: locate(tree, path, atKey === true), path, message };
}

/** In the order of the file, each once. */
function report(source: Source, found: readonly Mistake[]): ConfigProblem[] {
  const sorted = found.toSorted((a, b) => a.offset - b.offset);
  const problems = sorted
    .slice(0, MAX_PROBLEMS)
    .map(({ offset, path, message }) => source.problem(offset, path, message));
  const next = sorted[MAX_PROBLEMS];
  if (next !== undefined)
    problems.push(source.problem(next.offset, [], `and ${sorted.length - MAX_PROBLEMS} more problems from here on`));
  return problems;
}

/** Points at the first byte that is not UTF-8. */
function undecodable(file: string, bytes: Buffer): ConfigProblem {
  let start = 0;
  let before = '';
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    const line = decodeUtf8(bytes.subarray(start, end));
    if (line === null) break;
    before += '\n';
    start = end + 1;
  }
  const end = bytes.indexOf(0x0a, start);
  const line = bytes.subarray(start, end < 0 ? undefined : end).toString('utf8');
  const column = Math.max(0, line.indexOf('\ufffd'));
  return new Source(file, before + line).problem(
    before.length + column,
    [],
    'is not UTF-8 text; save the file as UTF-8',
  );
}
