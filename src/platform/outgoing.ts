import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isLinkLocal } from './link-local.ts';
import { type TargetTls, TRUST_SYSTEM, trustOptions } from './tls.ts';

/** A request of the control plane to somebody else's server. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'POST';
  /** `http:` or `https:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** For the whole answer. */
  readonly timeoutMs: number;
  /** An answer with a longer body counts as none; default 64 KiB. */
  readonly maxBytes?: number;
  /** An answer of 2xx is one by its status: whatever follows it, or does not, is not read. Default: it is. */
  readonly okByStatus?: true;
  /** For `https:`; default: as the system trusts. */
  readonly tls?: TargetTls;
  readonly signal: AbortSignal;
}

export type OutgoingResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly body: string;
      /** Of `Retry-After` in seconds; null without one, or with a date. */
      readonly retryAfterMs: number | null;
    }
  /** Nothing that says anything: no connection, no answer in time, one too long. `detail` has neither URL nor secret. */
  | { readonly kind: 'unanswered'; readonly detail: string };

const MAX_BYTES = 64 * 1024;

/**
 * Sends a request on a connection of its own and reads the answer. Redirects are answers like any other and never
 * followed; names that lead to a link-local (metadata) address are not connected to. Rejects only when `signal` ends.
 */
export async function sendOutgoing(request: OutgoingRequest): Promise<OutgoingResult> {
  request.signal.throwIfAborted();
  const timeout = AbortSignal.timeout(request.timeoutMs);
  try {
    return await exchange(request, AbortSignal.any([request.signal, timeout]));
  } catch (error) {
    request.signal.throwIfAborted();
    const late = timeout.aborted ? `no whole answer within ${request.timeoutMs} ms` : null;
    return { kind: 'unanswered', detail: late ?? describe(error) };
  }
}

async function exchange(request: OutgoingRequest, signal: AbortSignal): Promise<OutgoingResult> {
  const url = new URL(request.url);
  if (isLinkLocal(url.hostname.replace(/^\[(.*)\]$/, '$1'))) throw new Error(REFUSED);
  // Loaded with the first request: a gate that asks nobody starts sooner without it.
  const { Agent, request: send } = await import('undici');
  const trust = url.protocol === 'https:' ? trustOptions(request.tls ?? TRUST_SYSTEM) : {};
  const agent = new Agent({ pipelining: 1, allowH2: false, connect: { lookup: safeLookup, ...trust } });
  try {
    const { method, body } = request;
    const headers = { 'user-agent': 'tealgate', ...request.headers };
    const answer = await send(url, { dispatcher: agent, method, headers, body, signal });
    const { statusCode: status } = answer;
    const isRead = request.okByStatus !== true || status < 200 || status > 299;
    const text = isRead ? await readBody(answer.body, request.maxBytes ?? MAX_BYTES) : '';
    return { kind: 'answered', status, body: text, retryAfterMs: readRetryAfter(answer.headers['retry-after']) };
  } finally {
    await agent.destroy();
  }
}

async function readBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readRetryAfter(field: string | string[] | undefined): number | null {
  return typeof field === 'string' && /^\d{1,6}$/.test(field) ? Number(field) * 1000 : null;
}

const REFUSED = 'it leads to a link-local (metadata) address, where requests are never sent';

type Found = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** As `dns.lookup`, which a name that is somebody else's to set could lead anywhere. */
function safeLookup(host: string, options: LookupOptions, found: Found): void {
  lookup(host, options, (error, address, family) => {
    const addresses = Array.isArray(address) ? address.map((entry) => entry.address) : [address];
    if (error === null && addresses.some(isLinkLocal)) found(new Error(REFUSED), []);
    else found(error, address, family);
  });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The first of several addresses that were tried says enough.
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  return error.message;
}
