/** Writes the files that are generated from code; with `--check`, writes nothing and exits 1 when one is out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { renderOpenapi } from './generate-openapi.ts';

interface Generated {
  /** Relative to the repository. */
  readonly path: string;
  readonly render: () => string;
}

const GENERATED: readonly Generated[] = [
  { path: 'config/schema.json', render: () => `${JSON.stringify(configJsonSchema(), null, 2)}\n` },
  { path: 'docs/openapi.json', render: renderOpenapi },
];

function current(file: URL): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

const check = process.argv.includes('--check');
for (const { path, render } of GENERATED) {
  const file = new URL(`../${path}`, import.meta.url);
  const text = render();
  if (current(file) === text) continue;
  if (check) {
    process.stderr.write(`${path} is out of date; run npm run generate\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, text);
    process.stdout.write(`wrote ${path}\n`);
  }
}
