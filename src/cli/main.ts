import { execute } from './program.ts';

let serves = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `tealgate status | head` ends quietly when the reader has seen enough.
  if (!serves) process.exit(error.code === 'EPIPE' ? 0 : 1);
});
process.stderr.on('error', () => undefined);

const code = await execute(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: new AbortController().signal,
  serving: () => {
    serves = true;
  },
});

// A gate has flushed its log as far as anybody reads it; what is left must not keep the process.
if (serves) process.exit(code);
process.exitCode = code;
