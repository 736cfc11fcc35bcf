import { connect } from 'node:net';
import { request } from 'undici';

const WITHIN_MS = 2_000;

/** Whether something takes TCP connections there. Sends nothing. */
export async function reachable(host: string, port: number): Promise<boolean> {
  return (await whyUnreachable(host, port)) === null;
}

/** As `reachable`: null, or the code of what went wrong, such as `ECONNREFUSED`. */
export function whyUnreachable(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: WITHIN_MS });
    const answer = (why: string | null) => {
      socket.destroy();
      resolve(why);
    };
    // Where nobody listens, a socket may be given the very port that it connects to, and be its own peer.
    socket.once('connect', () => answer(socket.localPort === port ? 'ECONNREFUSED' : null));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code ?? error.message));
    socket.once('timeout', () => answer('ETIMEDOUT'));
  });
}

/** Whether a GET is answered with a status below 400. */
export async function healthy(url: string): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { headersTimeout: WITHIN_MS, bodyTimeout: WITHIN_MS });
    await body.dump();
    return statusCode < 400;
  } catch {
    // Not there yet.
    return false;
  }
}
