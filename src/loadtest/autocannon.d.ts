/** The part of autocannon 9.0.0 that the load test uses; the package has no types of its own. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  namespace autocannon {
    interface Options {
      readonly url: string;
      readonly connections: number;
      /** Seconds. */
      readonly duration: number;
      /** Seconds. */
      readonly timeout: number;
      /** Milliseconds between its samples; it ends at one of them. */
      readonly sampleInt: number;
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly skipAggregateResult: boolean;
      /** Called with each client before it connects. */
      setupClient(client: Client): void;
    }

    /** One connection. Emits `headers`, `response` (status), `connError` and `done`. */
    interface Client extends EventEmitter {
      readonly destroyed: boolean;
      /** Not there before the first connection. */
      readonly conn?: Socket;
      readonly parser: { reinitialize(type: 'RESPONSE'): void };
      /** Called whenever it should connect. */
      _connect(): void;
      /** Called whenever it may send the next request. */
      _doRequest(): void;
      _destroyConnection(): void;
      destroy(): void;
    }
  }

  function autocannon(
    options: autocannon.Options,
    done: (error: Error | null) => void,
  ): EventEmitter & {
    stop(): void;
  };
  export = autocannon;
}
