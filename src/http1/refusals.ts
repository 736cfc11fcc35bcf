import { REFUSED } from './head.ts';

/** Status and detail of the answer to what is no request. */
export type Refusal = readonly [status: number, detail: string];

const REFUSALS: ReadonlyMap<number, Refusal> = new Map<number, Refusal>([
  [REFUSED.syntax, [400, 'malformed request']],
  [REFUSED.headTooLarge, [431, 'the request head is too large']],
  [REFUSED.targetTooLong, [414, 'the request target is too long']],
  [REFUSED.tooManyFields, [431, 'too many header fields']],
  [REFUSED.version, [505, 'this server speaks HTTP/1.1 here']],
  [REFUSED.host, [400, 'missing, repeated or invalid Host']],
  [REFUSED.framing, [400, 'ambiguous or invalid message framing']],
  [REFUSED.method, [405, 'CONNECT is not served']],
]);

/** `reason`: one of {@link REFUSED}. */
export function refusalOf(reason: number): Refusal {
  return REFUSALS.get(reason) ?? [400, 'malformed request'];
}
