import type { Applied } from '../../app/control-plane.ts';
import { upstreamPath } from '../client.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';

/** Replaces the targets of an upstream; those that leave finish what they have in flight. */
export async function targets(
  ctx: Context,
  service: string,
  upstream: string,
  urls: readonly string[],
): Promise<ExitCode> {
  const client = await ctx.client();
  const applied = await client.send<Applied>('PUT', upstreamPath(service, upstream, '/targets'), { targets: urls });
  ctx.out.result(applied, `${service}: ${upstream} is ${urls.join(', ')} (version ${applied.version})`);
  return EXIT.ok;
}
