import type { ResponseCapture } from './response-capture.ts';

/** Deeper than this, JSON is compared as text. */
const MAX_DEPTH = 64;

/**
 * Where two responses to the same request differ, in words without any value of theirs, such as `body at items.3.price`;
 * null when they are alike. JSON bodies are compared member by member, whatever their order, without those that
 * the rules of `a` ignore; others octet by octet.
 */
export function responseDifference(a: ResponseCapture, b: ResponseCapture): string | null {
  const { rules } = a;
  if (b.status === 0) return 'no response';
  if (a.status !== b.status) return `status ${a.status} and ${b.status}`;
  const header = rules.headers.findIndex((_, i) => a.headers[i] !== b.headers[i]);
  if (header >= 0) return `field ${rules.headers[header]}`;
  if (a.tooLarge !== b.tooLarge) return 'body by its size';
  if (a.tooLarge || a.body.equals(b.body)) return null;
  const [left, right] = [parsed(a), parsed(b)];
  if (left === undefined || right === undefined) return 'body';
  const path = jsonDifference(left.json, right.json, { path: [], ignore: rules.ignore });
  return path === null ? null : `body at ${path}`;
}

function parsed({ contentType, body }: ResponseCapture): { readonly json: unknown } | undefined {
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)) return undefined;
  try {
    return { json: JSON.parse(body.toString()) };
  } catch {
    return undefined; // what says that it is JSON and is not is compared as it came
  }
}

interface Place {
  readonly path: readonly string[];
  readonly ignore: readonly string[];
}

function jsonDifference(a: unknown, b: unknown, place: Place): string | null {
  if (Object.is(a, b)) return null;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return nameOf(place);
  if (place.path.length >= MAX_DEPTH) return JSON.stringify(a) === JSON.stringify(b) ? null : nameOf(place);
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const inside = { ...place, path: [...place.path, key] };
    if (isIgnored(inside)) continue;
    if (Object.hasOwn(a, key) !== Object.hasOwn(b, key)) return nameOf(inside);
    const difference = jsonDifference(a[key], b[key], inside);
    if (difference !== null) return difference;
  }
  return null;
}

function nameOf({ path }: Place): string {
  return path.length === 0 ? 'its top' : path.join('.').slice(0, 200);
}

/** `timestamp` names such members anywhere, `meta.timestamp` those in a `meta`; places in lists are left out of the path. */
function isIgnored({ path, ignore }: Place): boolean {
  if (ignore.length === 0) return false;
  const members = `.${path.filter((key) => !/^\d+$/.test(key)).join('.')}`;
  return !/^\d+$/.test(path.at(-1) ?? '') && ignore.some((name) => members.endsWith(`.${name}`));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
