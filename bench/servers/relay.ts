import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { readInto } from '../../src/http1/read-into.ts';
import { WeightedPicker } from '../../src/traffic/weighted-picker.ts';
import type { NodeServerOptions } from '../peers/node-peers.ts';

/**
 * No proxy, but what any proxy in Node.js costs at least: reads octets and writes them, whatever they are. Each client
 * has a connection of its own to a target, all sockets read to one buffer, and messages are written from another.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const picker = new WeightedPicker(options.targets.map(({ port, weight }) => ({ item: port, weight })));
const buffer = Buffer.allocUnsafeSlow((options.tls === null ? 16 : 64) * 1024);
const writer = new ByteWriter(2 * buffer.length);
const memoryUse = options.tls === null ? 'written' : 'encrypted';

if (options.tls === null) createServer({ noDelay: true }, relay).listen(address());
else {
  const { certificate, key } = options.tls;
  const secure = { cert: readFileSync(certificate), key: readFileSync(key) };
  createTlsServer({ noDelay: true, ...secure }, relay).listen(address());
}

function address(): { port: number; host: string; backlog: number } {
  return { port: options.port, host: '127.0.0.1', backlog: 4096 };
}

function relay(client: Socket): void {
  const target: Socket = connect({
    port: picker.next() ?? 0,
    host: '127.0.0.1',
    noDelay: true,
    onread: { buffer, callback: (length) => pass(length, target, client) },
  });
  if (!readInto(client, buffer, { take: (length) => pass(length, client, target), next: () => null }))
    throw new Error('this version of Node.js has accepted sockets read into memory of its own');
  bind(client, target);
  bind(target, client);
}

function pass(length: number, from: Socket, to: Socket): boolean {
  writer.begin();
  writer.bytes(buffer, 0, length);
  const use = 'encrypted' in to ? memoryUse : 'written';
  if (!writer.sendTo(to, to.connecting ? 'told' : use)) from.pause();
  return true;
}

/** What becomes of one side becomes of the other. */
function bind(from: Socket, to: Socket): void {
  from.on('error', () => {}); // 'close' follows
  from.on('close', () => to.destroy());
  to.on('drain', () => from.resume());
}
