import { type OutgoingRequest, sendOutgoing } from '../platform/outgoing.ts';
import type { TargetTls } from '../platform/tls.ts';

/** A Prometheus, or whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics). */
export interface PrometheusServer {
  /** Base URL; `/api/v1/query` is added to it. */
  readonly url: string;
  /** The `Authorization` field; null for none. A secret. */
  readonly authorization: string | null;
  /** For `https:`; default: as the system trusts. */
  readonly tls?: TargetTls;
}

/** What a query came to. Only `value` says anything about what was asked. */
export type QueryResult =
  /** One number. Infinite ones become the largest there is, so that they can be stored as JSON. */
  | { readonly kind: 'value'; readonly value: number }
  /** The answer has no number: no series, or NaN (0/0, a quantile of nothing). */
  | { readonly kind: 'no_data'; readonly detail: string }
  /** Prometheus could not be asked, refused the query, or answered with what is not one number. */
  | { readonly kind: 'error'; readonly detail: string };

/**
 * Evaluates a query at the present instant. Never throws for what the server does; rejects only when `signal` ends. See
 * prometheus.io/docs/prometheus/latest/querying/api.
 */
export async function queryPrometheus(
  server: PrometheusServer,
  query: string,
  { timeoutMs, signal }: Pick<OutgoingRequest, 'timeoutMs' | 'signal'>,
): Promise<QueryResult> {
  const { url, authorization, tls } = server;
  const answer = await sendOutgoing({
    // By POST, since a query may be longer than a URL may be.
    method: 'POST',
    url: `${url.replace(/\/+$/, '')}/api/v1/query`,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      ...(authorization === null ? {} : { authorization }),
    },
    body: new URLSearchParams({ query, timeout: `${timeoutMs}ms` }).toString(),
    timeoutMs,
    maxBytes: 1024 * 1024,
    ...(tls === undefined ? {} : { tls }),
    signal,
  });
  if (answer.kind === 'unanswered') return { kind: 'error', detail: `Prometheus did not answer: ${answer.detail}` };
  return readQueryAnswer(answer.status, answer.body);
}

/** Reads an answer of `/api/v1/query`. */
export function readQueryAnswer(status: number, body: string): QueryResult {
  const answer = parse(body);
  if (status !== 200 || answer?.status !== 'success') {
    const said = typeof answer?.error === 'string' ? `: ${answer.error.slice(0, 300)}` : '';
    return { kind: 'error', detail: `Prometheus answered ${status}${said}` };
  }
  const data = isObject(answer.data) ? answer.data : {};
  if (data.resultType === 'scalar') return readSample(data.result);
  if (data.resultType !== 'vector' || !Array.isArray(data.result)) {
    const type = String(data.resultType).slice(0, 40);
    return { kind: 'error', detail: `the query gives a ${type} and not one number; take an instant of it` };
  }
  const [series, ...more] = data.result;
  if (series === undefined) return { kind: 'no_data', detail: 'the query found no series' };
  if (more.length > 0) {
    const found = data.result.length;
    return {
      kind: 'error',
      detail: `the query gives ${found} series and not one number; aggregate them, as with sum()`,
    };
  }
  if (!isObject(series) || series.value === undefined) {
    return { kind: 'error', detail: 'the query gives a histogram and not one number; take a quantile of it' };
  }
  return readSample(series.value);
}

/** `[unix time, "number"]`. */
function readSample(sample: unknown): QueryResult {
  const text = Array.isArray(sample) ? sample[1] : undefined;
  if (text === 'NaN') return { kind: 'no_data', detail: 'the query gives NaN' };
  if (text === '+Inf' || text === 'Inf') return { kind: 'value', value: Number.MAX_VALUE };
  if (text === '-Inf') return { kind: 'value', value: -Number.MAX_VALUE };
  const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) return { kind: 'error', detail: 'Prometheus answered with what is not a number' };
  return { kind: 'value', value };
}

function parse(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
