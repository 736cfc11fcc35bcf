import { writeFileSync } from 'node:fs';
import { openapiDocument } from '../src/admin/openapi.ts';
import { ROUTES } from '../src/admin/routes.ts';

/** Writes docs/openapi.json, what `GET /openapi.json` serves. */
export function generateOpenapi(): void {
  const text = `${JSON.stringify(openapiDocument(ROUTES), null, 2)}\n`;
  writeFileSync(new URL('../docs/openapi.json', import.meta.url), text);
}

if (import.meta.main) generateOpenapi();
