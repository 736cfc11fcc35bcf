import type { ConfigStatus } from '../../app/control-plane.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';

/** Makes the gate read its configuration file again. */
export async function reload(ctx: Context): Promise<ExitCode> {
  const status = await (await ctx.client()).send<ConfigStatus>('POST', '/v1/reload', {});
  const changes = status.changes.length === 0 ? ['nothing changed'] : status.changes;
  ctx.out.result(status, changes.map((change) => `${status.path}: ${change}`).join('\n'));
  return EXIT.ok;
}
