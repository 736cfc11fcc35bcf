import type { Config } from '../config/config.ts';
import type { MetricGuard } from '../config/guards/guard.ts';
import { fillQuery } from '../config/query-template.ts';
import type { Clock } from '../platform/clock.ts';
import type { Answer } from './answer.ts';
import type { MetricObservation } from './guards/metric.ts';
import type { WebhookObservation } from './guards/webhook.ts';
import type { Poll } from './polls.ts';
import { type QueryResult, queryPrometheus } from './prometheus.ts';
import type { Rollout } from './rollout.ts';
import { stageOf } from './step.ts';
import { askWebhook, type Question } from './webhook-question.ts';

/** Whom guards and gates may ask. */
export type Connections = Pick<Config, 'prometheus' | 'webhooks'>;

export interface AskContext {
  /** As the configuration has them now. */
  readonly connections: Connections;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** One of the questions of a guard or a gate. */
export interface Asking {
  readonly poll: Poll;
  readonly rollout: Rollout;
  /** From 1. A question whose answer a crash left unstored is asked again under the same number. */
  readonly number: number;
}

/** Asks what a guard or a gate wants to know. Rejects only when the signal ends. */
export function ask({ poll, rollout, number }: Asking, context: AskContext): Promise<Answer> {
  if (poll.kind === 'gate') {
    const { stage, gate } = poll;
    const id = `${rollout.id}.gate.${stage}.${number}`;
    return askNamed(gate.webhook, { type: 'gate.check', id, rollout, guard: null, stage }, context);
  }
  const { guard } = poll;
  if (guard.kind === 'metric') return askMetric(guard, rollout, context);
  const id = `${rollout.id}.${guard.name}.${number}`;
  const question = { type: 'guard.check', id, rollout, guard: guard.name, stage: stageOf(rollout) } as const;
  return askNamed(guard.webhook, question, context);
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

async function askNamed(name: string, question: Question, context: AskContext): Promise<WebhookObservation> {
  const { connections, clock, signal } = context;
  const at = clock.wallMs();
  const webhook = own(connections.webhooks, name);
  if (webhook !== undefined) return askWebhook(question, webhook, { at, signal });
  const reason = `there is no webhook ${name} in the configuration`;
  return { at, verdict: 'inconclusive', answered: false, reason };
}

/** Not what an object inherits, for a server called `constructor`. */
function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
