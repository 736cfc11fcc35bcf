import { TealgateError } from '../platform/errors.ts';

/** Deepest nesting of a body; a rollout plan needs six. */
const MAX_DEPTH = 32;
/** An upstream may be named like these; only an object under one could stand in for a prototype. */
const REACHING_KEYS = new Set(['constructor', 'prototype']);
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a request body strictly: UTF-8 or nothing, at most 32 levels, no key that could reach a prototype. An empty body
 * is `undefined`. Throws `bad_request`.
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  const text = decode(bytes);
  refuseDepth(text);
  const value = parse(text);
  refuseKeys(value);
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new TealgateError('bad_request', 'the body is not UTF-8', { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const where = cause instanceof Error ? (/at position (\d+)/.exec(cause.message)?.[1] ?? null) : null;
    const place = where === null ? '' : ` (at character ${where})`;
    throw new TealgateError('bad_request', `the body is not JSON${place}`, { cause });
  }
}

/** Before parsing, so that the parser itself never recurses deep. */
function refuseDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') depth--;
    if (depth > MAX_DEPTH) throw new TealgateError('bad_request', `the body is nested deeper than ${MAX_DEPTH} levels`);
  }
}

function refuseKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    const reaches = key === '__proto__' || (REACHING_KEYS.has(key) && typeof child === 'object');
    if (reaches) throw new TealgateError('bad_request', `the body has a key "${key}"`);
    refuseKeys(child);
  }
}
