import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const LISTEN = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(server.address().port + '\\n'));
`;

/** A target that listens and accepts nothing, with its queue full: connecting to it neither succeeds nor fails. */
export interface StoppedTarget {
  readonly port: number;
  close(): Promise<void>;
}

export async function startStoppedTarget(): Promise<StoppedTarget> {
  const child = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const queue: Socket[] = [];
  while (await joinsQueue(port, queue));
  return {
    port,
    close: async () => {
      for (const socket of queue) socket.destroy();
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Connects once more; false when the kernel no longer completes the handshake. */
async function joinsQueue(port: number, queue: Socket[]): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  queue.push(socket);
  return Promise.race([
    once(socket, 'connect').then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 150)),
  ]);
}
