import { type Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FAULTS } from './targets.ts';

/** What clients share. */
export interface Field {
  readonly port: number;
  /** Keeps connections to the gate alive. */
  readonly agent: Agent;
  /** 0 to 1, by a seed. */
  readonly random: () => number;
  /** Something that must not happen did. */
  readonly onViolation: (what: string) => void;
}

/** One thing that a client does, from its beginning to its end. */
export type Action = (field: Field) => Promise<void>;

interface Seen {
  /** 0 when the end is missing, -1 when there is no answer at all. */
  readonly status: number;
  readonly body: Buffer;
}

interface Asked {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly body?: Buffer;
  /** Without a length. */
  readonly chunked?: boolean;
  /** Leaves when nothing comes for so long. */
  readonly patienceMs?: number;
}

function ask(field: Field, { method, host, path, body, chunked, patienceMs = 60_000 }: Asked): Promise<Seen> {
  return new Promise((resolve) => {
    const length = body === undefined || chunked === true ? {} : { 'content-length': body.length };
    const options = { method, path, port: field.port, host: '127.0.0.1', agent: field.agent, timeout: patienceMs };
    const outgoing = request({ ...options, headers: { host, ...length } }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', () => {});
      incoming.on('close', () => {
        const status = incoming.complete ? (incoming.statusCode ?? 0) : 0;
        resolve({ status, body: Buffer.concat(parts) });
      });
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve({ status: -1, body: Buffer.alloc(0) }));
    outgoing.end(body);
  });
}

const below = ({ random }: Field, limit: number): number => Math.floor(random() * limit);

/** To a service whose targets are sound: nothing may go wrong, whatever goes on beside it. */
const soundly: Action = async (field) => {
  const body = Buffer.alloc(below(field, 60_000), 97 + below(field, 26));
  const chunked = field.random() < 0.5;
  const method = field.random() < 0.5 ? 'POST' : 'PUT';
  const { status, body: echoed } = await ask(field, { method, host: 'sound.test', path: '/', body, chunked });
  if (status !== 200) field.onViolation(`a sound request ended with ${status}`);
  else if (!echoed.equals(body)) field.onViolation(`an echo of ${body.length} octets came back as ${echoed.length}`);
};

const FAULT_NAMES = Object.keys(FAULTS);

/** To a service whose targets do what the path says. */
const unruly: Action = async (field) => {
  const name = FAULT_NAMES[below(field, FAULT_NAMES.length)] ?? '';
  const method = field.random() < 0.5 ? 'GET' : 'POST';
  const patienceMs = name === 'stall' ? 200 : 60_000;
  const { status, body } = await ask(field, { method, host: 'unruly.test', path: `/${name}`, patienceMs });
  const allowed = [...(FAULTS[name] ?? []), 503]; // all targets may be ejected
  if (!allowed.includes(status)) field.onViolation(`${method} ${name} ended with ${status}`);
  if (body.includes('poison')) field.onViolation('octets that nobody asked for were taken for an answer');
};

/** To targets that never answer: the only ones whose time is short, so that a slow machine is taken for no fault. */
const silent: Action = async (field) => {
  const { status } = await ask(field, { method: 'GET', host: 'silent.test', path: '/' });
  if (status !== 504) field.onViolation(`a request to a silent target ended with ${status}`);
};

const refused: Action = async (field) => {
  const { status } = await ask(field, { method: 'GET', host: 'gone.test', path: '/' });
  if (status !== 502) field.onViolation(`a request to nobody ended with ${status}`);
};

const unrouted: Action = async (field) => {
  const { status } = await ask(field, { method: 'GET', host: 'unknown.test', path: '/' });
  if (status !== 404) field.onViolation(`a request that nobody answers to ended with ${status}`);
};

/** Sends a part of a request, waits a little, and is gone by FIN or RST. */
const leaving: Action = async (field) => {
  const host = field.random() < 0.5 ? 'sound.test' : 'unruly.test';
  const paths = ['/', ...FAULT_NAMES.map((name) => `/${name}`)];
  const path = host === 'sound.test' ? '/' : paths[below(field, paths.length)];
  const body = 'x'.repeat(below(field, 5_000));
  const whole = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const socket = await open(field);
  socket.write(field.random() < 0.6 ? whole.slice(0, below(field, whole.length)) : whole);
  await sleep(below(field, 40));
  leave(field, socket);
};

/** Asks for something large and does not read it. */
const deaf: Action = async (field) => {
  const socket = await open(field);
  socket.pause();
  socket.write(`POST / HTTP/1.1\r\nHost: sound.test\r\nContent-Length: 3000000\r\n\r\n${'y'.repeat(3_000_000)}`);
  await sleep(200 + below(field, 300));
  leave(field, socket);
};

const broken: Action = async (field) => {
  const socket = await open(field);
  const texts = [
    'GARBAGE\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: sound.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    `GET / HTTP/1.1\r\nHost: sound.test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  ];
  socket.write(texts[below(field, texts.length)] ?? '');
  await sleep(below(field, 60));
  leave(field, socket);
};

/** A WebSocket that echoes, then ends politely or not. */
const tunnel: Action = async (field) => {
  const socket = await open(field);
  const lines = ['GET /ws HTTP/1.1', 'Host: tunnel.test', 'Connection: Upgrade', 'Upgrade: websocket'];
  socket.write(
    `${lines.join('\r\n')}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  for (let i = below(field, 10); i > 0; i--) {
    socket.write(Buffer.concat([Buffer.from([0x82, 0x84, 1, 2, 3, 4]), Buffer.from('ping')]));
    await sleep(below(field, 20));
  }
  leave(field, socket);
};

/** By name, each as often as its number says. */
export const ACTIONS: Readonly<Record<string, readonly [Action, number]>> = {
  soundly: [soundly, 8],
  unruly: [unruly, 6],
  silent: [silent, 1],
  refused: [refused, 1],
  unrouted: [unrouted, 1],
  leaving: [leaving, 4],
  deaf: [deaf, 1],
  broken: [broken, 1],
  tunnel: [tunnel, 1],
};

function open({ port }: Field): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      socket.resume();
    });
  });
}

function leave(field: Field, socket: Socket): void {
  if (field.random() < 0.5) socket.resetAndDestroy();
  else socket.destroy();
}
