import type { Applied, ServiceView } from '../../app/control-plane.ts';
import { durationOption } from '../arguments.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { waitDrained } from '../drained.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { weightsDiff } from './weights.ts';

export interface SwitchOptions {
  readonly wait?: boolean;
  readonly force?: boolean;
  readonly timeout?: string;
  readonly dryRun?: boolean;
}

/** Sends all new traffic to one upstream; the one it came from drains. */
export async function switchTo(ctx: Context, service: string, to: string, options: SwitchOptions): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  const client = await ctx.client();
  if (options.dryRun === true) return dryRun(ctx, await client.service(service), to);
  const body = options.force === true ? { to, force: true } : { to };
  const applied = await client.send<Applied>('POST', servicePath(service, '/switch'), body);
  const sentence = `${service}: all new traffic goes to ${to} (version ${applied.version})`;
  const draining = drainingUpstreams(applied.service, to);
  if (options.wait !== true || draining.length === 0) {
    ctx.out.result(applied, sentence);
    return EXIT.ok;
  }
  ctx.out.note(sentence);
  const view = await waitDrained(ctx, service, draining, timeoutMs);
  ctx.out.result({ ...applied, service: view }, `${service}: ${draining.join(', ')} drained`);
  return EXIT.ok;
}

function drainingUpstreams(view: ServiceView, to: string): string[] {
  return Object.values(view.upstreams)
    .filter((upstream) => upstream.name !== to && upstream.drain !== null)
    .map((upstream) => upstream.name);
}

function dryRun(ctx: Context, view: ServiceView, to: string): ExitCode {
  const wanted: Record<string, number> = { [to]: 100 };
  for (const name of Object.keys(view.upstreams)) if (name !== to) wanted[name] = 0;
  const diff = weightsDiff(view, wanted);
  ctx.out.result(diff, diff.map(({ upstream, from, to }) => `${view.name}: ${upstream} ${from} → ${to}`).join('\n'));
  return EXIT.ok;
}
