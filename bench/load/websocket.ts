/**
 * WebSocket messages, echoed: each connection sends the next when the last one is back. Prints `{messages, seconds}`.
 *
 *     node bench/load/websocket.ts '{"port": 8080, "host": "svc0.test", "seconds": 2, "connections": 32, "messageBytes": 64}'
 */
import { WebSocket } from 'ws';

export interface WebSocketOptions {
  readonly port: number;
  readonly host: string;
  readonly seconds: number;
  readonly connections: number;
  readonly messageBytes: number;
}

export interface WebSocketResult {
  readonly messages: number;
  readonly seconds: number;
  readonly errors: number;
}

async function run(options: WebSocketOptions): Promise<WebSocketResult> {
  const message = Buffer.alloc(options.messageBytes, 'x');
  let messages = 0;
  let errors = 0;
  let over = false;
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${options.port}/`, {
      headers: { Host: options.host },
      perMessageDeflate: false,
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    socket.on('message', () => {
      messages++;
      if (!over) socket.send(message);
    });
    socket.on('error', () => errors++);
    socket.on('close', () => {
      if (!over) errors++;
    });
    return socket;
  };
  const sockets = await Promise.all(Array.from({ length: options.connections }, open));
  const startMs = performance.now();
  for (const socket of sockets) socket.send(message);
  await new Promise((resolve) => setTimeout(resolve, options.seconds * 1000));
  over = true;
  const seconds = (performance.now() - startMs) / 1000;
  for (const socket of sockets) socket.terminate();
  return { messages, seconds, errors };
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as WebSocketOptions)));
