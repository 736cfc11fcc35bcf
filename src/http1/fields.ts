import { TOKEN_FOLD } from './bytes.ts';

/**
 * Fields that the gate treats in some way; all others are opaque (id 0) and forwarded as they are (RFC 9110 §5.1).
 * The ids index small tables, so that nothing per request compares strings.
 */
const NAMES = [
  '', // 0: any other field
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'expect',
  'trailer',
  'via',
  'max-forwards',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
  'cookie',
  'proxy-authorization',
  'proxy', // becomes HTTP_PROXY in CGI environments (CVE-2016-5385)
  'date',
  'x-tealgate-upstream',
  'http2-settings',
  'x-forwarded-port',
  'x-real-ip',
] as const;

export const F = {
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  upgrade: 8,
  expect: 9,
  trailer: 10,
  via: 11,
  maxForwards: 12,
  forwarded: 13,
  xForwardedFor: 14,
  xForwardedProto: 15,
  xForwardedHost: 16,
  xRequestId: 17,
  cookie: 18,
  proxyAuthorization: 19,
  proxy: 20,
  date: 21,
  xTealgateUpstream: 22,
  http2Settings: 23,
  xForwardedPort: 24,
  xRealIp: 25,
} as const;

export const FIELD_KINDS = NAMES.length;

/** Hash of a folded name; the parser computes it while it validates the name's octets. */
export const HASH_SEED = 0x811c9dc5;
export function hashStep(hash: number, folded: number): number {
  return Math.imul(hash ^ folded, 0x01000193);
}

const TABLE_BITS = 12;
const TABLE_MASK = (1 << TABLE_BITS) - 1;
const encoded: readonly Uint8Array[] = NAMES.map((name) => new TextEncoder().encode(name));
const table: Uint8Array = buildTable();

/** The id of buf[start, end), whose folded hash is `hash`; 0 for a field we do not treat. */
export function fieldId(buf: Uint8Array, start: number, end: number, hash: number): number {
  const id = table[slot(hash)] as number; // slot() is within the table
  if (id === 0) return 0;
  const name = encoded[id] as Uint8Array;
  if (name.length !== end - start) return 0;
  for (let i = 0; i < name.length; i++) if (TOKEN_FOLD[buf[start + i] as number] !== name[i]) return 0;
  return id;
}

function slot(hash: number): number {
  return (hash ^ (hash >>> TABLE_BITS) ^ (hash >>> 24)) & TABLE_MASK;
}

/** A perfect hash: a collision between our few names would be a bug found at start. */
function buildTable(): Uint8Array {
  const slots = new Uint8Array(TABLE_MASK + 1);
  encoded.forEach((name, id) => {
    if (id === 0) return;
    const at = slot(name.reduce((hash, c) => hashStep(hash, c), HASH_SEED));
    if (slots[at] !== 0) throw new Error(`field names ${NAMES[id]} and ${NAMES[slots[at] as number]} share a slot`);
    slots[at] = id;
  });
  return slots;
}
