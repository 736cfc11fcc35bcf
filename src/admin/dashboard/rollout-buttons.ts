import { ENDED, type Rollout } from '../../rollout/rollout.ts';
import type { CallButton } from './parts.ts';

/** What an operator can do with a rollout; with one that goes together with others, what can be done with all of them. */
export function rolloutButtons({ service, position, from, to, group }: Rollout): readonly CallButton[] {
  const own = `/v1/services/${encodeURIComponent(service)}`;
  const base = group === undefined ? own : `/v1/groups/${encodeURIComponent(group.name)}`;
  const path = (action: string) => `${base}/rollouts/current/${action}`;
  const whose = group === undefined ? service : `all services of ${group.name}`;
  const { phase } = position;
  if (phase === 'promoted') {
    return [{ label: 'Undo', path: `${base}/undo`, confirm: `Switch ${whose} back to ${from}?`, kind: 'danger' }];
  }
  if (ENDED.has(phase)) {
    const retry = `${own}/rollouts/current/retry`;
    return [{ label: 'Retry', path: retry, confirm: `Run the rollout of ${to} in ${service} again?`, kind: 'primary' }];
  }
  if (phase === 'returning' || phase === 'promoting' || phase === 'draining') return [];
  const abort: CallButton = {
    label: 'Abort',
    path: path('abort'),
    confirm: `Send all new traffic of ${whose} back to ${from}?`,
    kind: 'danger',
  };
  if (phase === 'pending' || phase === 'checking') return [abort];
  const hold: CallButton =
    phase === 'paused'
      ? { label: 'Resume', path: path('resume'), confirm: `Go on with the rollout of ${to}?` }
      : { label: 'Pause', path: path('pause'), confirm: `Hold the rollout of ${to} at this stage?` };
  const promote: CallButton = {
    label: 'Promote',
    path: path('promote'),
    confirm: `Make ${to} stable in ${whose} now, whatever stages are left?`,
    kind: 'primary',
  };
  // A shadow that is over cannot go on by itself.
  const isOver = position.phase === 'paused' && position.reason === 'shadowed';
  return isOver ? [promote, abort] : [promote, hold, abort];
}
