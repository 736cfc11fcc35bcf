import { createServer } from 'node:net';
import { formatAddress } from '../../config/address.ts';
import { TealgateError } from '../../platform/errors.ts';

/**
 * Binds an address alone and lets go of it. Workers share their port, so a port that another process shares as well
 * would not fail there: two gates would each take half of the traffic. Throws `address_in_use`.
 */
export async function probeAddress(host: string, port: number): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    throw explain(error, host, port);
  } finally {
    server.close();
  }
}

function explain(error: unknown, host: string, port: number): TealgateError {
  const address = formatAddress({ host, port });
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const options = { cause: error, details: { address } };
  switch (code) {
    case 'EADDRINUSE':
      return new TealgateError(
        'address_in_use',
        `${address} is in use by another process; stop it or choose another port`,
        options,
      );
    case 'EACCES':
      return new TealgateError(
        'unavailable',
        `not allowed to listen on ${address}; ports below 1024 need the right to`,
        options,
      );
    case 'EADDRNOTAVAIL':
      return new TealgateError('unavailable', `${address} is not an address of this machine`, options);
    default:
      return new TealgateError('unavailable', `cannot listen on ${address} (${String(code)})`, options);
  }
}
