import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import WebSocket from 'ws';
import { readServerSentEvents } from '../src/cli/server-sent-events.ts';

const MESSAGE_EVERY_MS = 100;
const RECONNECT_MS = 50;

/** What long-lived connections went through. Each connects again when it is closed, as a browser would. */
export interface StreamTally {
  webSockets: number;
  eventStreams: number;
  messages: number;
  events: number;
  /** WebSocket close codes, in order. */
  readonly closeCodes: number[];
  /** Broken frames, echoes of another message, events out of order. */
  readonly faults: string[];
}

/** WebSocket and event-stream clients that check everything they receive. */
export class Streams {
  readonly tally: StreamTally = { webSockets: 0, eventStreams: 0, messages: 0, events: 0, closeCodes: [], faults: [] };
  /** Version of the shop that each client last heard from, by client. */
  readonly versions = new Map<string, string>();
  private readonly origin: string;
  private readonly agent = new Agent({ bodyTimeout: 0 });
  private readonly stopping = new AbortController();
  private readonly clients: Promise<void>[];

  constructor(origin: string, counts: { webSockets: number; eventStreams: number }) {
    this.origin = origin;
    this.clients = [
      ...Array.from({ length: counts.webSockets }, (_, i) => this.again(() => this.webSocket(`ws${i}`))),
      ...Array.from({ length: counts.eventStreams }, (_, i) => this.again(() => this.eventStream(`sse${i}`))),
    ];
  }

  /** How many clients last heard from this version. */
  on(version: string): number {
    return [...this.versions.values()].filter((other) => other === version).length;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.clients);
    await this.agent.destroy();
  }

  private async again(connect: () => Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await connect();
      // Only stopping ends the pause early.
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private webSocket(client: string): Promise<void> {
    const { signal } = this.stopping;
    const socket = new WebSocket(`${this.origin.replace(/^http/, 'ws')}/live`);
    let sent = 0;
    let echoed = 0;
    const timer = setInterval(
      () => socket.readyState === WebSocket.OPEN && socket.send(String(++sent)),
      MESSAGE_EVERY_MS,
    );
    const leave = () => socket.close(1000);
    socket.on('open', () => {
      this.tally.webSockets++;
      signal.addEventListener('abort', leave);
      if (signal.aborted) leave();
    });
    socket.on('message', (data) => {
      const { version, echo } = JSON.parse(String(data)) as { version: string; echo: string };
      if (echo !== String(++echoed)) this.tally.faults.push(`${client}: echo ${echo} instead of ${echoed}`);
      this.tally.messages++;
      this.versions.set(client, version);
    });
    socket.on('error', (error) => this.tally.faults.push(`${client}: ${error.message}`));
    return new Promise((resolve) => {
      socket.on('close', (code) => {
        clearInterval(timer);
        signal.removeEventListener('abort', leave);
        this.tally.closeCodes.push(code);
        resolve();
      });
    });
  }

  private async eventStream(client: string): Promise<void> {
    const { signal } = this.stopping;
    try {
      const { statusCode, body } = await this.agent.request({
        origin: this.origin,
        path: '/events',
        method: 'GET',
        signal,
      });
      this.tally.eventStreams++;
      if (statusCode !== 200) this.tally.faults.push(`${client}: ${statusCode}`);
      await this.readEvents(client, body);
    } catch {
      // The gate cuts the stream at the end of the drain, and stopping aborts it: both are what a browser sees as well.
    }
  }

  private async readEvents(client: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    let last = 0;
    for await (const part of readServerSentEvents(body)) {
      if (part.kind === 'comment') continue;
      const { version, n } = JSON.parse(part.data) as { version: string; n: number };
      if (n !== ++last) this.tally.faults.push(`${client}: event ${n} instead of ${last}`);
      this.tally.events++;
      this.versions.set(client, version);
    }
  }
}
