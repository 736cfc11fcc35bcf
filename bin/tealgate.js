#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (!(major > 24 || (major === 24 && minor >= 11))) {
  process.stderr.write(`tealgate needs Node.js 24.11 or newer; this is ${process.version}.\n`);
  process.exit(2);
}
await import('../dist/cli/main.js');
