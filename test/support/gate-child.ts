import { startGate } from '../../src/app/gate.ts';

/** A gate in a process of its own, to be killed: its file is the first argument, its log goes to standard output. */
const gate = await startGate({ configPath: process.argv[2] ?? '' });
process.on('SIGTERM', () => void gate.stop().then(() => process.exit(0)));
