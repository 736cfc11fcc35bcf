import { writeFileSync } from 'node:fs';
import { openapiDocument } from '../src/admin/openapi.ts';
import { ROUTES } from '../src/admin/routes.ts';

/** The text of docs/openapi.json: what `GET /openapi.json` serves. */
export function renderOpenapi(): string {
  return `${JSON.stringify(openapiDocument(ROUTES), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(new URL('../docs/openapi.json', import.meta.url), renderOpenapi());
