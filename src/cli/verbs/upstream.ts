import type { Applied } from '../../app/control-plane.ts';
import { durationOption } from '../arguments.ts';
import { upstreamPath } from '../client.ts';
import type { Context } from '../context.ts';
import { waitDrained } from '../drained.ts';
import { EXIT, type ExitCode } from '../exit.ts';

export type UpstreamAction = 'drain' | 'enable' | 'evict';

const DONE: Record<UpstreamAction, string> = {
  drain: 'takes no new request',
  enable: 'takes requests again',
  evict: 'has let go of its pins',
};

/** Drains an upstream, takes it back in, or breaks its pins. */
export async function operateUpstream(
  ctx: Context,
  action: UpstreamAction,
  target: { readonly service: string; readonly upstream: string },
  options: { readonly wait?: boolean; readonly timeout?: string },
): Promise<ExitCode> {
  const { service, upstream } = target;
  const timeoutMs = durationOption('--timeout', options.timeout);
  const client = await ctx.client();
  const applied = await client.send<Applied>('POST', upstreamPath(service, upstream, `/${action}`), {});
  const sentence = `${service}: ${upstream} ${DONE[action]} (version ${applied.version})`;
  if (options.wait !== true) {
    ctx.out.result(applied, sentence);
    return EXIT.ok;
  }
  ctx.out.note(sentence);
  const view = await waitDrained(ctx, service, [upstream], timeoutMs);
  ctx.out.result({ ...applied, service: view }, `${service}: ${upstream} drained`);
  return EXIT.ok;
}
