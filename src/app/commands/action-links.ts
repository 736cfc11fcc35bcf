import { TealgateError } from '../../platform/errors.ts';
import { isPossible } from '../../rollout/operator.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { Applied, LinkedAction } from '../control-plane.ts';
import type { Core } from '../core.ts';
import { desiredService } from '../desired/effective.ts';
import { newestRollout } from '../desired/rollouts.ts';
import { type ActionLink, readLink } from '../notifications/action-link.ts';
import { operateGroup } from './group.ts';
import { operateRollout } from './rollout.ts';

/** Throws `forbidden` for a link that is not ours or has expired, `conflict` for one that does nothing any more. */
export function linkedAction(core: Core, signature: string): LinkedAction {
  const link = verified(core, signature);
  const rollout = asSent(newestRollout(desiredService(core.current().desired, link.service)), link);
  const { action, service, sentTo, expiresAt } = link;
  return { action, service, rollout, sentTo, expiresAt };
}

/**
 * As `linkedAction`, decided again in the one place where state changes: of two that come at once, one works. Rollouts that
 * go together follow it together.
 */
export async function followLink(core: Core, signature: string): Promise<Applied> {
  const link = verified(core, signature);
  const { action, service } = link;
  const actor = `link:${link.sentTo}`;
  const { group } = asSent(newestRollout(desiredService(core.current().desired, service)), link);
  if (group === undefined) {
    return operateRollout(core, service, action, { actor, expect: (rollout) => void asSent(rollout, link) });
  }
  const expect = (rollouts: readonly Rollout[]): void =>
    void asSent(rollouts.find((rollout) => rollout.service === service) ?? null, link);
  const applied = await operateGroup(core, group.name, action, { actor, expect });
  const own = applied.find((one) => one.service.name === service);
  if (own === undefined) throw new TealgateError('internal', `group ${group.name} is without ${service}`);
  return own;
}

function verified(core: Core, signature: string): ActionLink {
  const link = readLink(signature, core.current().desired.pinKeys);
  if (link === null) throw new TealgateError('forbidden', 'this link was not signed by this gate');
  if (core.parts.clock.wallMs() < link.expiresAt) return link;
  throw new TealgateError('forbidden', 'this link has expired; use the dashboard, or the command line');
}

/** The rollout, if it is at the very moment that the link was made for. */
function asSent(rollout: Rollout | null, link: ActionLink): Rollout {
  const isThen = rollout?.id === link.rollout && rollout.transitions.length === link.transition;
  if (isThen && isPossible(link.action, rollout.position.phase)) return rollout;
  const message = `this link does nothing any more: it was used, or the rollout of ${link.service} has gone on since it was sent`;
  throw new TealgateError('conflict', message);
}
