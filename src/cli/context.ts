import type { AdminClient } from './client.ts';
import type { Io } from './io.ts';
import type { Output } from './output.ts';

/** What a verb is given. */
export interface Context {
  readonly io: Io;
  readonly out: Output;
  /** The client for `--admin` and the token; loaded at the first use, closed when the verb has ended. */
  client(): Promise<AdminClient>;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly admin?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}
