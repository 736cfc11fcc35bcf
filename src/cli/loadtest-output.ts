import { writeFile } from 'node:fs/promises';
import { renderJunit } from '../loadtest/render-junit.ts';
import { renderMarkdown } from '../loadtest/render-markdown.ts';
import { renderText } from '../loadtest/render-text.ts';
import type { Report } from '../loadtest/report.ts';
import type { Progress } from '../loadtest/run.ts';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';
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

/** Where the report goes besides stdout. */
export interface ReportFiles {
  readonly junit?: string;
  readonly markdown?: string;
}

/** Every form of the report that was asked for. Throws CliError `failed` for a file that cannot be written. */
export async function writeReport(ctx: Context, report: Report, files: ReportFiles): Promise<void> {
  ctx.out.progressEnd();
  const { paint, json, quiet } = ctx.out;
  if (json) ctx.out.document(report);
  else if (!quiet) ctx.out.lines(renderText(report, paint));
  else if (!report.ok) ctx.out.failures(renderText(report, (_format, text) => text));
  const summary = ctx.io.env.GITHUB_STEP_SUMMARY;
  if (files.junit !== undefined) await save('--junit', files.junit, renderJunit(report));
  if (files.markdown !== undefined) await save('--markdown', files.markdown, renderMarkdown(report));
  // Of GitHub Actions: a file that each step adds to.
  if (summary) await save('GITHUB_STEP_SUMMARY', summary, `${renderMarkdown(report)}\n`, 'a');
}

async function save(option: string, path: string, text: string, flag: 'w' | 'a' = 'w'): Promise<void> {
  try {
    await writeFile(path, text, { flag });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.failed, `${option} ${path}: ${why}`, { cause: error });
  }
}
