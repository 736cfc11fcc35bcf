import { murmur3 } from '../platform/murmur3.ts';

const encoder = new TextEncoder();

/**
 * Where a client key falls in [0, 1): murmur3_32 of its UTF-8 bytes as a fraction of 2^32, salted by service and
 * rollout, so that no client is the first to meet every candidate.
 */
export function bucket(key: string, salt: string): number {
  return murmur3(encoder.encode(`${salt}/${key}`)) / 2 ** 32;
}
