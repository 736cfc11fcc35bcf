import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AdminConfig } from '../config/config.ts';
import { TealgateError } from '../platform/errors.ts';

export type BoundAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Listens on the configured address; a unix socket is for its owner alone. Throws `address_in_use` or `internal`. */
export async function listen(server: Server, address: AdminConfig['address']): Promise<BoundAddress> {
  if (address.kind === 'unix') return listenOnPath(server, address.path);
  await bind(server, { host: address.host, port: address.port }, `${address.host}:${address.port}`);
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null)
    throw new TealgateError('internal', 'the admin address is not known');
  return { host: bound.address, port: bound.port };
}

async function listenOnPath(server: Server, path: string): Promise<BoundAddress> {
  await removeStale(path);
  // Binding happens inside the call, so that the mask covers nothing else.
  const before = process.umask(0o177);
  const bound = bind(server, { path }, path);
  process.umask(before);
  await bound;
  chmodSync(path, 0o600);
  return { path };
}

/** A socket file that nobody listens on is left over from a process that was killed. */
async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (!(await answers(path))) unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => socket.destroy());
    socket.once('error', () => resolve(false));
    socket.once('close', (failed) => resolve(!failed));
  });
}

function bind(
  server: Server,
  options: { host: string; port: number } | { path: string },
  shown: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'address_in_use' : 'internal';
      reject(new TealgateError(code, `the admin endpoint cannot listen on ${shown} (${cause.code})`, { cause }));
    });
    server.listen(options, resolve);
  });
}
