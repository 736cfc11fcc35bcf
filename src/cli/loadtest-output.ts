import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { renderJunit, renderJunitError } from '../loadtest/render-junit.ts';
import { renderMarkdown, renderMarkdownError } from '../loadtest/render-markdown.ts';
import { renderText } from '../loadtest/render-text.ts';
import type { Report } from '../loadtest/report.ts';
import type { Progress } from '../loadtest/run.ts';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import type { LoadtestOptions } from './loadtest-options.ts';
import { shortDuration } from './render/numbers.ts';
import { bar } from './style.ts';

const BAR_CELLS = 24;
/** In a pipe, a line for each of this many parts of the load, or for this long where its end is open. */
const PARTS = 10;
const OPEN_LINE_MS = 5_000;

/** Draws a bar on a terminal, and prints a line now and then elsewhere. */
export function progressWriter(ctx: Context): (progress: Progress) => void {
  let part = -1;
  let milestone = '';
  return (progress) => {
    const { elapsedMs, totalMs } = progress;
    const share = totalMs === null || totalMs === 0 ? null : Math.min(1, elapsedMs / totalMs);
    const now = Math.floor(share === null ? elapsedMs / OPEN_LINE_MS : share * PARTS);
    const line = `${timesText(progress)}, ${countsText(progress)}`;
    if (now !== part) milestone = share === null ? line : `${Math.floor(share * 100)} %, ${line}`;
    part = now;
    ctx.out.progress(share === null ? line : `${bar(share, BAR_CELLS)} ${line}`, milestone);
  };
}

function timesText({ elapsedMs, totalMs, warmingUp }: Progress): string {
  const of = totalMs === null ? '' : ` of ${shortDuration(totalMs)}`;
  return `${shortDuration(elapsedMs)}${of}${warmingUp ? ' (warm-up)' : ''}`;
}

function countsText({ measured, operations }: Progress): string {
  const done = [...operations].map(([what, n]) => `, ${n} ${what}`).join('');
  const p99 = measured.latencies()?.p99;
  const latency = p99 === undefined ? '' : `, p99 ${p99.toFixed(1)} ms`;
  return `${measured.requests} requests, ${measured.errors} errors, ${measured.non2xx} not 2xx${latency}${done}`;
}

/** Where the report goes besides stdout; `-` is stdout, in place of the text. */
export interface ReportFiles {
  readonly junit?: string;
  readonly markdown?: string;
}

interface Form {
  readonly option: string;
  readonly path: string;
  readonly render: (report: Report) => string;
  readonly renderError: (scenario: string, message: string) => string;
  readonly flag: 'w' | 'a';
}

/** Throws CliError `usage` for what could not be written after the load: it is known before. */
export async function checkReportFiles(ctx: Context, files: ReportFiles): Promise<void> {
  if ([files.junit, files.markdown, ctx.out.json ? '-' : ''].filter((path) => path === '-').length > 1) {
    throw new CliError(EXIT.usage, 'stdout is for one form of the report: --junit -, --markdown - or --json');
  }
  for (const { option, path } of forms(ctx, files)) {
    if (path === '-') continue;
    try {
      await writable(path);
    } catch (error) {
      throw new CliError(EXIT.usage, unwritten(option, path, error), { cause: error });
    }
  }
}

/** Every form of the report that was asked for. Throws CliError `failed` for a file that cannot be written. */
export async function writeReport(ctx: Context, report: Report, files: ReportFiles): Promise<void> {
  ctx.out.progressEnd();
  const all = forms(ctx, files);
  const saved = await Promise.allSettled(
    all.filter(({ path }) => path !== '-').map((form) => save(form, form.render(report))),
  );
  // The verdict is the exit code, whether anybody reads the report or not.
  ctx.io.serving();
  const { paint, json, quiet } = ctx.out;
  const printed = all.find(({ path }) => path === '-');
  if (printed !== undefined) ctx.out.lines([printed.render(report).trimEnd()]);
  else if (json) ctx.out.document(report);
  else if (!quiet) ctx.out.lines(renderText(report, paint));
  else if (!report.ok) ctx.out.failures(renderText(report, (_format, text) => text));
  for (const outcome of saved) if (outcome.status === 'rejected') throw outcome.reason;
}

/** The same for a test that could not be made: stdout has nothing of it, and stderr its message. */
export async function writeFailure(ctx: Context, error: unknown, options: LoadtestOptions): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  const files = forms(ctx, options).filter(({ path }) => path !== '-');
  // What cannot be written must not hide why.
  await Promise.allSettled(files.map((form) => save(form, form.renderError(options.scenario, message))));
}

function forms(ctx: Context, { junit, markdown }: ReportFiles): Form[] {
  // Of GitHub Actions: a file that each step adds to.
  const summary = ctx.io.env.GITHUB_STEP_SUMMARY;
  const asJunit = { render: renderJunit, renderError: renderJunitError, flag: 'w' } as const;
  const asMarkdown = {
    render: renderMarkdown,
    renderError: (_scenario: string, message: string) => renderMarkdownError(message),
    flag: 'w',
  } as const;
  return [
    ...(junit === undefined ? [] : [{ option: '--junit', path: junit, ...asJunit }]),
    ...(markdown === undefined ? [] : [{ option: '--markdown', path: markdown, ...asMarkdown }]),
    ...(summary ? [{ ...asMarkdown, option: 'GITHUB_STEP_SUMMARY', path: summary, flag: 'a' as const }] : []),
  ];
}

async function writable(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there?.isDirectory()) throw new Error('it is a directory');
  await access(there === null ? dirname(resolve(path)) : path, constants.W_OK);
}

async function save({ option, path, flag }: Form, text: string): Promise<void> {
  try {
    await writeFile(path, flag === 'a' ? `${text}\n` : text, { flag });
  } catch (error) {
    throw new CliError(EXIT.failed, unwritten(option, path, error), { cause: error });
  }
}

function unwritten(option: string, path: string, error: unknown): string {
  return `${option} ${path}: cannot be written: ${error instanceof Error ? error.message : String(error)}`;
}
