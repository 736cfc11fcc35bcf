import type { RolloutPlan } from '../config.ts';
import type { Finding, Path } from '../problem.ts';
import { suggest } from '../suggest.ts';
import { type Guard, isPolled } from './guard.ts';

/** Names that plans may refer to. */
export interface KnownConnections {
  readonly prometheus: readonly string[];
  readonly webhooks: readonly string[];
  /** Those of `webhooks` that have a secret, without which nothing can be asked. */
  readonly signed: readonly string[];
}

/** What is wrong with the names of others in a complete plan, paths from the plan. */
export function checkReferences({ strategy, guards, stages }: RolloutPlan, known: KnownConnections): Finding[] {
  const gates = stages.flatMap(({ gate }, i) =>
    gate === undefined || gate === 'manual' || gate.kind !== 'http'
      ? []
      : checkWebhook(gate.webhook, gatePath(strategy, i), known),
  );
  const inStages = stages.flatMap((stage, i) =>
    (stage.guards ?? []).flatMap((guard) =>
      guard.kind === 'none' ? [] : checkGuard(guard, ['stages', i, 'guards', guard.name], known),
    ),
  );
  return [...gates, ...guards.flatMap((guard) => checkGuard(guard, ['guards', guard.name], known)), ...inStages];
}

/** A plan without stages of its own has its gate at the top. */
function gatePath(strategy: RolloutPlan['strategy'], stage: number): Path {
  const under: Path = strategy === 'canary' ? ['stages', stage] : [];
  return [...under, 'gate', 'http', 'webhook'];
}

function checkGuard(guard: Guard, path: Path, known: KnownConnections): Finding[] {
  if (!isPolled(guard)) return [];
  return guard.kind === 'metric'
    ? checkName('prometheus', guard.prometheus, { path: [...path, 'prometheus'], names: known.prometheus })
    : checkWebhook(guard.webhook, [...path, 'webhook'], known);
}

/** A webhook that is asked for a verdict: there, and with a secret. */
function checkWebhook(name: string, path: Path, { webhooks, signed }: KnownConnections): Finding[] {
  const missing = checkName('webhooks', name, { path, names: webhooks });
  if (missing.length > 0 || signed.includes(name)) return missing;
  const message = `${name} has no secret, and questions are asked signed; give webhooks.${name}.secret`;
  return [{ path, message }];
}

function checkName(
  section: 'prometheus' | 'webhooks',
  name: string,
  { path, names }: { readonly path: Path; readonly names: readonly string[] },
): Finding[] {
  if (names.includes(name)) return [];
  const meant = suggest(name, names);
  const mend = meant === null ? `name it under \`${section}\` at the top level` : `did you mean ${meant}?`;
  return [{ path, message: `there is no ${name} under \`${section}\`; ${mend}` }];
}
