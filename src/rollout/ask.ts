import type { Config } from '../config/config.ts';
import type { MetricGuard, WebhookGuard } from '../config/guards/guard.ts';
import { fillQuery } from '../config/query-template.ts';
import type { Clock } from '../platform/clock.ts';
import type { MetricObservation } from './guards/metric.ts';
import { polledStateOf } from './guards/polled.ts';
import type { WebhookObservation } from './guards/webhook.ts';
import type { Poll } from './polls.ts';
import { type QueryResult, queryPrometheus } from './prometheus.ts';
import type { Rollout } from './rollout.ts';
import { stageOf } from './step.ts';
import { askWebhook } from './webhook-question.ts';

/** Whom guards may ask. */
export type Connections = Pick<Config, 'prometheus' | 'webhooks'>;

export interface AskContext {
  /** As the configuration has them now. */
  readonly connections: Connections;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Asks what a guard wants to know. Rejects only when the signal ends. */
export function ask(
  { guard }: Poll,
  rollout: Rollout,
  context: AskContext,
): Promise<MetricObservation | WebhookObservation> {
  return guard.kind === 'metric' ? askMetric(guard, rollout, context) : askGuard(guard, rollout, context);
}

async function askMetric(guard: MetricGuard, rollout: Rollout, context: AskContext): Promise<MetricObservation> {
  const { from, to } = rollout;
  const { baseline } = guard;
  const at = context.clock.wallMs();
  const [result, compared] = await Promise.all([
    query(guard, fill(guard.query, rollout, to), context),
    baseline === undefined
      ? undefined
      : query(guard, baseline === 'stable' ? fill(guard.query, rollout, from) : fill(baseline, rollout, to), context),
  ]);
  return { at, result, ...(compared === undefined ? {} : { baseline: compared }) };
}

function fill(text: string, { service, from, to }: Rollout, upstream: string): string {
  return fillQuery(text, { service, upstream, stable: from, candidate: to });
}

async function query(guard: MetricGuard, text: string, { connections, signal }: AskContext): Promise<QueryResult> {
  const server = own(connections.prometheus, guard.prometheus);
  if (server === undefined) {
    return { kind: 'error', detail: `there is no prometheus ${guard.prometheus} in the configuration` };
  }
  return queryPrometheus(server, text, { timeoutMs: guard.timeoutMs, signal });
}

async function askGuard(guard: WebhookGuard, rollout: Rollout, context: AskContext): Promise<WebhookObservation> {
  const { connections, clock, signal } = context;
  const at = clock.wallMs();
  const webhook = own(connections.webhooks, guard.webhook);
  if (webhook === undefined) {
    const reason = `there is no webhook ${guard.webhook} in the configuration`;
    return { at, verdict: 'inconclusive', answered: false, reason };
  }
  // The number of the question, so that one that was asked before a crash is asked again under the same id.
  const { asked } = polledStateOf(rollout.guardStates[guard.name]);
  const id = `${rollout.id}.${guard.name}.${asked + 1}`;
  const question = { type: 'guard.check', id, rollout, guard: guard.name, stage: stageOf(rollout) } as const;
  return askWebhook(question, webhook, { at, signal });
}

/** Not what an object inherits, for a server called `constructor`. */
function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
