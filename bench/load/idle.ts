import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';

/** How many connections are being opened at once. */
const BATCH = 50;

/** Connections that have carried one request each and now do nothing. */
export class IdleConnections {
  readonly #sockets: Socket[] = [];
  /** Closed by the proxy since they fell idle. */
  lost = 0;

  /** `request`: one whole request, as sent. */
  async open(port: number, count: number, request: string): Promise<void> {
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, () => this.#open(port, request));
      await Promise.all(batch);
    }
  }

  close(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('close');
      socket.destroy();
    }
    this.#sockets.length = 0;
  }

  #open(port: number, request: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port }, () => socket.write(request));
      const reader = new AnswerReader();
      socket.on('error', reject); // of no effect once it is open
      socket.on('close', () => {
        this.lost++;
        reject(new Error('the proxy closed a new connection'));
      });
      socket.on('data', (chunk: Buffer) => {
        if (reader.feed(chunk) > 0) resolve();
      });
      this.#sockets.push(socket);
    });
  }
}
