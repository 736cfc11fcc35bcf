import { formatAddress } from '../../config/address.ts';
import { TealgateError } from '../../platform/errors.ts';

export interface ListenFailure {
  readonly host: string;
  readonly port: number;
  /** Of the system, such as `EADDRINUSE`. */
  readonly code: string;
  readonly cause?: unknown;
}

/** Why an address cannot be listened on, and what to do: `address_in_use`, else `unavailable`. */
export function listenError({ host, port, code, cause }: ListenFailure): TealgateError {
  const address = formatAddress({ host, port });
  const options = { cause, details: { address, code } };
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
      return new TealgateError('unavailable', `cannot listen on ${address} (${code})`, options);
  }
}
