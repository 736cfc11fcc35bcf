import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { rolloutFields, rolloutLines } from '../render/rollout.ts';

/** The newest rollout of a service with its stages, verdicts and what happened. */
export async function rolloutStatus(ctx: Context, service: string): Promise<ExitCode> {
  const { rollout } = await (await ctx.client()).service(service);
  if (rollout === null) {
    throw new CliError(EXIT.failed, `${service} has had no rollout`, {
      hint: `tealgate rollout start ${service} --to UPSTREAM`,
    });
  }
  if (ctx.out.json) ctx.out.document(rollout);
  else if (ctx.out.tty) ctx.out.lines(rolloutLines(rollout, ctx.out.paint));
  else ctx.out.lines([`service=${service} ${rolloutFields(rollout)}`]);
  return EXIT.ok;
}
