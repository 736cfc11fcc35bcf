import { defineConfig } from 'rolldown';

/**
 * The modules of the program in a few files, since opening some hundred small ones takes a fifth of a start. Packages stay
 * packages, and nothing is minified: a stack trace names functions and lines that can be read (docs/adr/0042).
 */
export default defineConfig({
  // What is started by its path: the library, the command, the worker thread.
  input: { index: 'src/index.ts', 'cli/main': 'src/cli/main.ts', 'proxy/worker': 'src/proxy/worker.ts' },
  platform: 'node',
  // All packages; a helper of the compiler is none.
  external: /^(?![./\0]|@oxc-project\/)/,
  tsconfig: 'tsconfig.build.json',
  // The oldest Node.js that is supported.
  transform: { target: 'node24.11' },
  output: {
    dir: 'dist',
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: {
      // Those that find files by their own place must lie one directory below dist.
      groups: [{ name: 'place', test: /src\/platform\/(location|version)\.ts$/ }],
    },
  },
});
