import { z } from 'zod';
import type { MirrorPlan } from './config.ts';
import { mistake, quote, value } from './parsed.ts';
import { headerName, object, percent, size, text } from './values.ts';

const MIB = 2 ** 20;

/** Without a plan of its own: requests that change nothing, without a look at the responses. */
export const DEFAULT_MIRROR: MirrorPlan = {
  share: 1,
  methods: ['GET', 'HEAD'],
  requestBytes: 64 * 1024,
  compare: null,
};

/** A member of a JSON document, or a path of members. */
const member = text(
  (raw) =>
    raw === '' || raw.length > 200 || raw.split('.').some((part) => part === '')
      ? mistake(`${quote(raw)} is not a member; write a name such as timestamp, or a path such as meta.id`)
      : value(raw),
  { example: 'timestamp' },
);

const compareSchema = object({
  headers: z
    .array(headerName)
    .max(32)
    .prefault(['content-type'])
    .describe('Response fields that must be alike, besides the status.'),
  ignore: z
    .array(member)
    .max(100)
    .prefault([])
    .describe('Members of JSON bodies that do not matter: a name wherever it stands, or a path such as `meta.id`.'),
  maxBody: size({ minBytes: 0, maxBytes: 8 * MIB })
    .prefault('64KiB')
    .describe('Responses with a larger body are not compared.'),
});

/** A share of what can be copied. */
export const mirrorShare = percent((share) => share > 0, 'above 0%');

export const mirrorSchema = object({
  share: mirrorShare
    .optional()
    .describe('Of a shadow rollout: the share of the requests that is copied; default `100%`.'),
  methods: z
    .array(z.enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']))
    .min(1)
    .optional()
    .describe('What is copied; default `[GET, HEAD]`. The candidate must bear to be asked for the others twice.'),
  maxRequest: size({ minBytes: 1024, maxBytes: MIB })
    .optional()
    .describe('Larger requests, head and body together, are not copied; default `64KiB`.'),
  compare: z
    .union([z.literal('none'), compareSchema], { error: 'give none, or a map' })
    .optional()
    .describe('Compares responses with those that clients got, and stable with itself; default `none`.'),
});

type MirrorSettings = z.output<typeof mirrorSchema>;

/** `mirror` over `base`, key by key; undefined where neither is given. */
export function mergeMirror(mirror: MirrorSettings | undefined, base: MirrorPlan | undefined): MirrorPlan | undefined {
  if (mirror === undefined) return base;
  const under = base ?? DEFAULT_MIRROR;
  const { share = under.share, methods = under.methods, maxRequest = under.requestBytes, compare } = mirror;
  return { share, methods, requestBytes: maxRequest, compare: mergeCompare(compare, under.compare) };
}

function mergeCompare(compare: MirrorSettings['compare'], under: MirrorPlan['compare']): MirrorPlan['compare'] {
  if (compare === undefined) return under;
  if (compare === 'none') return null;
  return { headers: compare.headers, ignore: compare.ignore, bodyBytes: compare.maxBody };
}
