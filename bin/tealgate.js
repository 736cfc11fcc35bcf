#!/usr/bin/env node
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (!(major > 24 || (major === 24 && minor >= 11))) {
  process.stderr.write(`tealgate needs Node.js 24.11 or newer; this is ${process.version}.\n`);
  process.exit(2);
}
const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('tealgate is not built here; run: npm ci\n');
  process.exit(2);
}
await import(main.href);
