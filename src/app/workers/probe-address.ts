import { connect, isIPv6 } from 'node:net';
import { isWildcard } from '../../config/address.ts';
import { listenError } from './listen-error.ts';

/** Whoever listens on this machine accepts sooner. */
const WITHIN_MS = 500;

/**
 * Asks whether somebody takes connections at an address, and throws `address_in_use` if so: workers share their port, and
 * with a process that shares it as well they would each get a part of the traffic, without an error. It connects, and
 * does not bind the address for a moment: a port that opens and closes again looks to others like a gate that serves.
 */
export async function probeAddress(host: string, port: number): Promise<void> {
  if (await isTaken(host, port)) throw listenError({ host, port, code: 'EADDRINUSE' });
}

function isTaken(host: string, port: number): Promise<boolean> {
  const own = isWildcard(host) ? (isIPv6(host) ? '::1' : '127.0.0.1') : host;
  return new Promise((resolve) => {
    const socket = connect({ host: own, port, timeout: WITHIN_MS });
    const answer = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    // Where nobody listens, a socket may be given the very port that it connects to, and be its own peer.
    socket.once('connect', () => answer(socket.localPort !== port));
    // A thread that was busy for that long hears of its own timer before it hears of the connection.
    socket.once('timeout', () => setImmediate(answer, false));
    socket.once('error', () => answer(false));
  });
}
