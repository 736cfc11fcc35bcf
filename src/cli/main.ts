import { execute } from './program.ts';

let serves = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `tealgate status | head` ends quietly when the reader has seen enough.
  if (!serves) process.exit(error.code === 'EPIPE' ? 0 : 1);
});
process.stderr.on('error', () => undefined);

process.exitCode = await execute(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: new AbortController().signal,
  serving: () => {
    serves = true;
  },
});
