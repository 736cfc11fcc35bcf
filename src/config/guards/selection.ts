import { z } from 'zod';
import { mistake, quote, value } from '../parsed.ts';
import type { Finding } from '../problem.ts';
import { count, duration, object, pathPrefix, text } from '../values.ts';
import { type Guard, isPolled, type Match, type NoGuard, type Selection } from './guard.ts';

const METHOD = /^[A-Z-]{1,20}$/;

const method = text(
  (raw) => (METHOD.test(raw) ? value(raw) : mistake(`${quote(raw)} is not a method; write one such as POST`)),
  { example: 'POST' },
);

/** `404`, `5xx` or `500-599`. */
const statuses = z.union([count(100, 599).transform((code) => [code, code] as const), text(parseStatuses)]);

function parseStatuses(raw: string) {
  const [, klass] = /^([1-5])xx$/.exec(raw) ?? [];
  if (klass !== undefined) return value([Number(klass) * 100, Number(klass) * 100 + 99] as const);
  const [, first = '', last = first] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(raw) ?? [];
  if (first === '' || Number(last) < Number(first)) {
    return mistake(`${quote(raw)} is not a status; write 404, 5xx or 500-599`);
  }
  return value([Number(first), Number(last)] as const);
}

/** By number, 0 to 16. */
const GRPC_STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
const LAST_GRPC_STATUS = GRPC_STATUSES.length - 1;

const grpcStatus = z.union(
  [
    count(1, LAST_GRPC_STATUS),
    z
      .enum(GRPC_STATUSES)
      .exclude(['OK'])
      .transform((name) => GRPC_STATUSES.indexOf(name)),
  ],
  { error: 'give the name or number of a gRPC status other than OK, such as UNAVAILABLE' },
);

/** Keys that say which attempts a guard counts. */
export const selectionKeys = {
  match: object({
    paths: z.array(pathPrefix).max(50).prefault([]).describe('Path prefixes, on whole segments; none: any path.'),
    methods: z.array(method).max(20).prefault([]).describe('Request methods; none: any.'),
    errors: z
      .array(statuses)
      .max(20)
      .prefault(['500-599'])
      .describe('Statuses that are errors, such as `[5xx, 429]`; failures without an answer always are.'),
    ignore: z.array(statuses).max(20).prefault([]).describe('Statuses that do not count at all.'),
    grpc: z
      .array(grpcStatus)
      .max(LAST_GRPC_STATUS)
      .optional()
      .describe(
        'gRPC statuses that are errors, such as `[UNAVAILABLE, 13]`; default those that are the server\u2019s fault.',
      ),
  })
    .optional()
    .describe('Which attempts count, and as what; default all, with 5xx as errors.'),
  by: z
    .union(
      [
        z.literal('client').transform(() => ({ client: 1, per: 60_000 })),
        object({
          client: count(1, 1000).prefault(1).describe('So many outcomes of a client at most.'),
          per: duration({ minMs: 1000 }).prefault('1m').describe('In so much time.'),
        }),
      ],
      { error: 'give client, or a map of `client` and `per`' },
    )
    .optional()
    .describe('`client` counts a few outcomes of each client only, so that one alone decides nothing; default all.'),
} as const;

const keys = object(selectionKeys);

/** What the settings give replaces what is beneath, whole. */
export function mergeSelection(settings: z.output<typeof keys>, base: Selection | undefined): Selection {
  const match = settings.match === undefined ? base?.match : toMatch(settings.match);
  const by = settings.by === undefined ? base?.by : { client: settings.by.client, perMs: settings.by.per };
  return { ...(match === undefined ? {} : { match }), ...(by === undefined ? {} : { by }) };
}

function toMatch({ grpc, ...match }: NonNullable<z.output<typeof keys>['match']>): Match {
  return grpc === undefined ? match : { ...match, grpc };
}

/** `, of POST /checkout, by client`; empty where all attempts count. */
export function selectionText({ match, by }: Selection): string {
  const paths = match === undefined ? '' : [...match.methods, ...match.paths].join(' ');
  const statuses =
    match === undefined
      ? ''
      : `${rangesText('errors', match.errors)}${grpcText(match.grpc)}${rangesText('without', match.ignore)}`;
  const of = paths === '' ? '' : ` of ${paths}`;
  return `${of}${statuses}${by === undefined ? '' : ` by client (${by.client} in ${by.perMs / 1000} s)`}`;
}

function grpcText(grpc: Match['grpc']): string {
  return grpc === undefined ? '' : ` gRPC ${grpc.map((status) => GRPC_STATUSES[status]).join(', ')}`;
}

function rangesText(what: string, ranges: readonly (readonly [number, number])[]): string {
  if (ranges.length === 0 || (what === 'errors' && String(ranges) === '500,599')) return '';
  return ` ${what} ${ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(', ')}`;
}

const range = z.tuple([z.int(), z.int()]).readonly();

export const storedSelection = {
  match: z
    .strictObject({
      paths: z.array(z.string()),
      methods: z.array(z.string()),
      errors: z.array(range),
      ignore: z.array(range),
      grpc: z.array(z.int()).exactOptional(),
    })
    .exactOptional()
    .describe('Which attempts count, and as what.'),
  by: z.strictObject({ client: z.int(), perMs: z.number() }).exactOptional().describe('A few outcomes of each client.'),
} as const;

/** How many counters of its own a plan may ask for; as many as an upstream's ledger has slots. */
export const MOST_COUNTERS = 16;

/** What is wrong with the guards of a whole plan. */
export function checkCounters(guards: readonly (Guard | NoGuard)[]): Finding[] {
  const counters = new Set(guards.flatMap((guard) => counterOf(guard) ?? [])).size;
  if (counters <= MOST_COUNTERS) return [];
  const message = `need ${counters} counters of their own, and there are ${MOST_COUNTERS}; leave out some, or let them count alike`;
  return [{ path: ['guards'], atKey: true, message }];
}

/** Guards with the same text share a counter; null needs none. */
function counterOf(guard: Guard | NoGuard): string | null {
  if (guard.kind === 'none' || isPolled(guard)) return null;
  if (guard.kind === 'compare') return 'copies';
  const besides = besidesOf(guard);
  const { match, by } = guard;
  return besides === null && match === undefined && by === undefined ? null : JSON.stringify([besides, match, by]);
}

/** What must be counted besides attempts and errors. */
function besidesOf(guard: Guard): string | null {
  switch (guard.kind) {
    case 'latency':
      return guard.versus === undefined ? `above ${guard.maxMs}` : 'buckets';
    case 'business':
      return `event ${guard.event}`;
    default:
      return null;
  }
}
