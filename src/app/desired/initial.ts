import { randomBytes } from 'node:crypto';
import type { DesiredState } from '../desired.ts';

/** A fresh store: nothing overridden, and a key of its own for pin cookies. */
export function initialDesired(): DesiredState {
  const key = { id: randomBytes(4).toString('hex'), secret: randomBytes(32).toString('base64url') };
  return { format: 1, services: {}, pinKeys: [key] };
}
