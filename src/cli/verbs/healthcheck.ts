import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';

/** Asks the gate whether it may take traffic: the container's HEALTHCHECK. */
export async function healthcheck(ctx: Context): Promise<ExitCode> {
  const status = await (await ctx.client()).status('/readyz');
  if (status !== 200) throw new CliError(EXIT.failed, `not ready: /readyz answered ${status}`, { code: 'not_ready' });
  ctx.out.result({ ready: true }, 'ready');
  return EXIT.ok;
}
