import { TealgateError } from '../../platform/errors.ts';
import type { ProbeResult } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { own } from '../desired/effective.ts';
import { probeHealth } from '../health/probe.ts';
import { probeReachable } from '../health/reachable.ts';

/**
 * Asks an upstream before traffic is sent to it. Throws `conflict`, with each target's answer, unless a target is there
 * that takes connections and that the health check, if there is one, does not hold to be ill. `mend`: what to do then.
 */
export async function expectReachable(
  core: Core,
  state: ServiceState,
  upstream: string,
  mend = 'see to it that one does, and start again',
): Promise<void> {
  const urls = own(state.effective.upstreams, upstream)?.targets ?? [];
  if (urls.length === 0) {
    throw new TealgateError('conflict', `${upstream} of ${state.name} has no targets; give it some first`);
  }
  const probes = await Promise.all(urls.map((url) => ask(core, state, upstream, url)));
  if (probes.some(({ ok }) => ok)) return;
  const answers = probes.map(({ target, detail }) => `${target}: ${detail}`).join('; ');
  const message = `no target of ${upstream} can take traffic (${answers}); ${mend}`;
  throw new TealgateError('conflict', message, { details: { upstream, probes } });
}

async function ask(
  core: Core,
  state: ServiceState,
  upstream: string,
  url: string,
): Promise<ProbeResult & { target: string }> {
  return { target: url, ...(await answerOf(core, state, upstream, url)) };
}

async function answerOf(
  core: Core,
  { name, config }: ServiceState,
  upstream: string,
  url: string,
): Promise<ProbeResult> {
  const { clock, health, registry } = core.parts;
  const id = registry.service(name)?.upstreams.get(upstream)?.targets.get(url)?.id ?? 0;
  const observed = health.health(id);
  const last = health.probes(id)[0];
  if (observed === 'unhealthy' && last !== undefined) return { ...last, ok: false, detail: unhealthy(last) };
  // Not known yet: one good answer now is enough, as it is for new traffic.
  if (observed === 'unknown' && config.health !== null) {
    return probeHealth({ url, tls: config.tls }, config.health, clock, AbortSignal.timeout(config.health.timeoutMs));
  }
  // It may have died since the last health check.
  return probeReachable({ url, tls: config.tls }, config.timeouts.connectMs, clock);
}

function unhealthy({ ok, status, detail }: ProbeResult): string {
  if (ok) return 'unhealthy, though its last check was good';
  return status === null ? `unhealthy: ${detail}` : `unhealthy: answered ${status} ${detail}`.trimEnd();
}
