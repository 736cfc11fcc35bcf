import type { RolloutPreview } from '../../app/control-plane.ts';
import { printable } from '../../config/problem.ts';
import type { Paint } from '../style.ts';
import { holdText } from './numbers.ts';

/** A rollout that has not begun, for a reader: its stages with what each can see, and what could stop it. */
export function previewLines(preview: RolloutPreview, paint: Paint): string[] {
  const { service, from, to, plan, power, obstacles, stops } = preview;
  return [
    `${paint('bold', service)}  ${from} → ${to}, ${plan.strategy}, ${traffic(power)}`,
    ...power.stages.flatMap((stage) => stageLines(stage, plan.stages[stage.stage], paint)),
    '  what could stop it',
    ...stops.map((stop) => `    ${printable(stop)}`),
    ...power.warnings.map((warning) => paint('yellow', `  warning: ${printable(warning)}`)),
    ...obstacles.map((obstacle) => paint('red', `  would be refused now: ${printable(obstacle)}`)),
  ];
}

function traffic({ requestsPerSecond, stableErrorRate }: RolloutPreview['power']): string {
  if (requestsPerSecond === null) return 'traffic unknown yet: give --rate, or ask again in a few seconds';
  const errors = stableErrorRate === null ? '' : `, stable fails ${Number((stableErrorRate * 100).toPrecision(3))} %`;
  return `${Number(requestsPerSecond.toPrecision(3))} req/s${errors}`;
}

type StagePower = RolloutPreview['power']['stages'][number];
type Stage = RolloutPreview['plan']['stages'][number];

function stageLines({ stage, weight, holdMs, requests, guards }: StagePower, plan: Stage | undefined, paint: Paint) {
  const gate = plan?.gate === undefined ? '' : ', after a gate';
  const needed = plan?.minRequests === undefined ? '' : ` and ${plan.minRequests} requests`;
  const expected = requests === null || holdMs === 0 ? '' : `, about ${requests} requests`;
  const head = `stage ${stage + 1}  ${String(weight).padStart(3)} %  ${holdText(holdMs)}${needed}${gate}${expected}`;
  if (holdMs === 0) return [`  ${head}`, paint('dim', '      no time to see anything')];
  return [`  ${head}`, ...guards.map(({ summary }) => paint('dim', `      ${printable(summary)}`))];
}
