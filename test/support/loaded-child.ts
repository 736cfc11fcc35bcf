import { createRequire } from 'node:module';
import { startGate } from '../../src/app/gate.ts';

/** Starts the gate of the file that the first argument names, prints what its process had loaded by then, and stops it. */
const { cache } = createRequire(import.meta.url);
const write = () => undefined;
const stdout = { write, writeAccess: write, flush: async () => undefined };
const gate = await startGate({ configPath: process.argv[2] ?? '', stdout });
// Not documented, and so not declared: the names of Node.js's own modules that are loaded.
const { moduleLoadList } = process as NodeJS.Process & { readonly moduleLoadList: readonly string[] };
const modules = [...Object.keys(cache), ...moduleLoadList];
process.stdout.write(JSON.stringify(modules));
await gate.stop();
