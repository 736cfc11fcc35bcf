/** Writes the files that are generated from code; with `--check`, writes nothing and exits 1 when one is out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { renderConfigReference } from './config-reference.ts';
import { renderCliReference } from './generate-cli.ts';
import { renderOpenapi } from './generate-openapi.ts';

interface Generated {
  /** Relative to the repository. */
  readonly path: string;
  /** The text that the file should have, given what it has. */
  readonly render: (current: string) => string;
}

const GENERATED: readonly Generated[] = [
  { path: 'config/schema.json', render: () => `${JSON.stringify(configJsonSchema(), null, 2)}\n` },
  { path: 'docs/configuration.md', render: (current) => between(current, 'reference', renderConfigReference()) },
  { path: 'docs/cli.md', render: renderCliReference },
  { path: 'docs/openapi.json', render: renderOpenapi },
];

/** Replaces what stands between the comments `<!-- NAME… -->` and `<!-- /NAME -->`. */
function between(text: string, name: string, content: string): string {
  const start = text.indexOf('-->', text.indexOf(`<!-- ${name}`)) + '-->'.length;
  const end = text.indexOf(`<!-- /${name} -->`);
  if (end < start) throw new Error(`the comments around ${name} are missing`);
  return `${text.slice(0, start)}\n${content}\n${text.slice(end)}`;
}

function read(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const check = process.argv.includes('--check');
for (const { path, render } of GENERATED) {
  const file = new URL(`../${path}`, import.meta.url);
  const current = read(file);
  const text = render(current);
  if (current === text) continue;
  if (check) {
    process.stderr.write(`${path} is out of date; run npm run generate\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, text);
    process.stdout.write(`wrote ${path}\n`);
  }
}
