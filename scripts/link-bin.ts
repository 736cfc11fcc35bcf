/**
 * Links `node_modules/.bin/tealgate` to this checkout's own command, as installing the package would. Without it
 * `npx tealgate` in the checkout first installs the package into npm's cache, and then runs it on the system's Node.js
 * instead of the pinned one beside the link. Runs in `prepare`, that is after `npm ci`.
 */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const link = fileURLToPath(new URL('../node_modules/.bin/tealgate', import.meta.url));

// npm's shims on Windows are scripts of another kind; there `npx` takes its slower way.
if (process.platform !== 'win32') {
  mkdirSync(fileURLToPath(new URL('../node_modules/.bin/', import.meta.url)), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync('../../bin/tealgate.js', link);
}
