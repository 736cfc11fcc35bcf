import { VERSION } from '../../platform/version.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';

/** The version with what it runs on, for a bug report. */
export async function version(ctx: Context): Promise<ExitCode> {
  const facts = { tealgate: VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` };
  if (ctx.out.json) ctx.out.document(facts);
  else ctx.out.lines([`tealgate ${facts.tealgate} (Node.js ${facts.node}, ${facts.platform})`]);
  return EXIT.ok;
}
