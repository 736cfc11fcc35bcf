import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The certificate that every peer shows, an elliptic-curve one; generators do not verify it. */
export const CERTIFICATE = fileURLToPath(new URL('../test/fixtures/tls/gate.crt', import.meta.url));
export const KEY = fileURLToPath(new URL('../test/fixtures/tls/gate.key', import.meta.url));

/** Certificate and key in one file, as HAProxy wants them. */
export function certificateAndKey(): string {
  return readFileSync(CERTIFICATE, 'utf8') + readFileSync(KEY, 'utf8');
}
