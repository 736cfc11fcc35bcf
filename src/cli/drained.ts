import type { ServiceView } from '../app/control-plane.ts';
import type { Context } from './context.ts';
import { until } from './follow.ts';

/** Waits until none of the upstreams has a request or an upgraded connection left, showing what remains. */
export async function waitDrained(
  ctx: Context,
  service: string,
  upstreams: readonly string[],
  timeoutMs: number | null,
): Promise<ServiceView> {
  return until(await ctx.client(), service, {
    timeoutMs,
    waitingFor: `${upstreams.join(', ')} to drain`,
    signal: ctx.io.signal,
    done: (view) => upstreams.every((name) => isDrained(view, name)),
    each: (view) =>
      ctx.out.progress(remaining(view, upstreams), `${service}: waiting for ${upstreams.join(', ')} to drain`),
  });
}

/** An upstream that no longer drains was taken back in or removed: there is nothing left to wait for. */
function isDrained(view: ServiceView, name: string): boolean {
  return view.upstreams[name]?.drain?.drained ?? true;
}

function remaining(view: ServiceView, upstreams: readonly string[]): string {
  return upstreams
    .map((name) => {
      const upstream = view.upstreams[name];
      const { inFlight = 0, upgrades = 0, pins = 0 } = upstream ?? {};
      return `${view.name}: ${name} drains: ${inFlight} in flight, ${upgrades} upgraded, ${pins} pins left`;
    })
    .join('; ');
}
