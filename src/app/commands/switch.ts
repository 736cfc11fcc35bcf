import type { Applied, Command } from '../control-plane.ts';
import type { Core, ServiceProposal, ServiceState } from '../core.ts';
import { switchTo } from '../desired/switch.ts';
import { expectReachable } from './reachable.ts';
import { expectUpstream, refuseDuringRollout } from './refuse.ts';

export interface SwitchOptions {
  /** Switch even though no target of the upstream answers. */
  readonly force: boolean;
  /** How it is called in messages; default `switch`. */
  readonly verb?: string;
}

export async function switchUpstream(
  core: Core,
  service: string,
  to: string,
  by: Command,
  options: SwitchOptions,
): Promise<Applied> {
  const decide = (state: ServiceState): ServiceProposal | null => {
    expectUpstream(state, to);
    refuseDuringRollout(state, options.verb ?? 'switch');
    const desired = switchTo(state.config, state.desired, to, core.parts.clock.wallMs());
    if (desired === state.desired) return null;
    const from = state.effective.stable;
    return { desired, events: [{ type: 'traffic.switched', data: { from, to, forced: options.force } }] };
  };
  // Asked before waiting in the queue, so that a target that does not answer holds up nobody else.
  const state = core.service(service);
  const mend =
    options.verb === undefined ? 'force it to switch all the same' : 'a forced switch goes there all the same';
  if (decide(state) !== null && !options.force) await expectReachable(core, state, to, mend);
  return core.changeService(service, by, decide);
}
