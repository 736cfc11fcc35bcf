import { TealgateError } from '../../platform/errors.ts';
import type { Applied, Command } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { effectiveService, takesTraffic } from '../desired/effective.ts';
import type { Weights } from '../desired/equal.ts';
import { setWeights } from '../desired/weights.ts';
import { expectUpstream, refuseDuringRollout } from './refuse.ts';

const MOST = 1_000_000;

export function changeWeights(core: Core, service: string, weights: Weights, by: Command): Promise<Applied> {
  return core.changeService(service, by, (state) => {
    expectWeights(state, weights);
    refuseDuringRollout(state, 'set weights');
    const desired = setWeights(state.config, state.desired, weights);
    const { upstreams } = effectiveService(state.config, desired);
    if (!Object.values(upstreams).some(takesTraffic)) {
      throw new TealgateError(
        'bad_request',
        `these weights leave ${service} with no upstream that takes traffic; give one that has targets more than 0`,
      );
    }
    return { desired };
  });
}

function expectWeights(state: ServiceState, weights: Weights): void {
  if (Object.keys(weights).length === 0) {
    throw new TealgateError('bad_request', 'no weights were given; name at least one upstream, as in {"green": 5}');
  }
  for (const [upstream, weight] of Object.entries(weights)) {
    expectUpstream(state, upstream);
    if (Number.isInteger(weight) && weight >= 0 && weight <= MOST) continue;
    throw new TealgateError(
      'bad_request',
      `the weight of ${upstream} must be a whole number from 0 to ${MOST}, not ${weight}`,
    );
  }
}
