import type { WebhookConfig } from '../config/config.ts';
import { sendOutgoing } from '../platform/outgoing.ts';
import { signWebhook } from '../platform/standard-webhooks.ts';
import type { WebhookObservation } from './guards/webhook.ts';
import { candidateWeight, type Rollout } from './rollout.ts';

/** A question about a rollout that a webhook answers with a verdict. */
export interface Question {
  /** `guard.check` or `gate.check`. */
  readonly type: 'guard.check' | 'gate.check';
  /** The same for each time that this very question is asked, over restarts. */
  readonly id: string;
  readonly rollout: Rollout;
  /** Name of the guard; null for a gate. */
  readonly guard: string | null;
  /** From 0: the stage that is under way, or that the gate leads to. */
  readonly stage: number;
}

/** Of a reason, which goes into evidence and messages. */
const KEPT_CHARS = 300;

/**
 * Asks, by a signed POST. Only a 2xx says anything: one with a JSON body `{"verdict": "pass" | "fail" | "inconclusive",
 * "reason"?}`, or 204 for `pass`, or 202 for `inconclusive`. Rejects only when `signal` ends.
 */
export async function askWebhook(
  question: Question,
  { url, secret, timeoutMs, tls }: WebhookConfig,
  { at, signal }: { readonly at: number; readonly signal: AbortSignal },
): Promise<WebhookObservation> {
  const body = JSON.stringify(bodyOf(question, at));
  const { id } = question;
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(secret === null ? { 'webhook-id': id } : signWebhook({ id, at, body }, secret)),
  };
  const answer = await sendOutgoing({ method: 'POST', url, headers, body, timeoutMs, tls, signal });
  if (answer.kind === 'unanswered') return unanswered(at, `no answer: ${answer.detail}`);
  return readVerdict(answer.status, answer.body, at);
}

/** What an answer says. */
export function readVerdict(status: number, body: string, at: number): WebhookObservation {
  if (status < 200 || status > 299) return unanswered(at, `answered ${status}, which is no verdict`);
  if (status === 204) return { at, verdict: 'pass', answered: true, reason: 'answered 204: pass' };
  if (status === 202) return { at, verdict: 'inconclusive', answered: true, reason: 'answered 202: not yet' };
  const { verdict, reason } = fieldsOf(body);
  const said = verdict === 'not_yet' ? 'inconclusive' : verdict;
  if (said !== 'pass' && said !== 'fail' && said !== 'inconclusive') {
    return unanswered(at, `answered ${status} without a verdict of pass, fail or inconclusive`);
  }
  const why = typeof reason === 'string' && reason !== '' ? `: ${oneLine(reason)}` : '';
  return { at, verdict: said, answered: true, reason: `answered ${said}${why}` };
}

function unanswered(at: number, reason: string): WebhookObservation {
  return { at, verdict: 'inconclusive', answered: false, reason };
}

function bodyOf({ type, rollout, guard, stage }: Question, at: number): unknown {
  const { id, service, from, to, plan, position, counts } = rollout;
  return {
    type,
    timestamp: new Date(at).toISOString(),
    data: {
      service,
      rollout: id,
      from,
      to,
      ...(guard === null ? {} : { guard }),
      phase: position.phase,
      stage,
      stages: plan.stages.length,
      weight: candidateWeight(rollout),
      counts,
    },
  };
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Without what could break lines or drive a terminal. */
function oneLine(text: string): string {
  return text.slice(0, KEPT_CHARS).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
