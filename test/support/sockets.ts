import { connect } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { RawClient } from './raw-client.ts';
import { ScriptedTarget, type TargetScript } from './scripted-target.ts';

/** Owns the sockets of one test, so that none outlives it. */
export class Sockets {
  readonly #clients: RawClient[] = [];
  readonly #targets: ScriptedTarget[] = [];

  async target(script?: TargetScript, port?: number, tls?: TlsOptions): Promise<ScriptedTarget> {
    const target = await ScriptedTarget.listen(script, port, tls);
    this.#targets.push(target);
    return target;
  }

  async client(port: number): Promise<RawClient> {
    const client = await RawClient.connect(port);
    this.#clients.push(client);
    return client;
  }

  destroyClients(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  /** Returns what the targets saw that must never happen. */
  async closeTargets(): Promise<string[]> {
    const targets = this.#targets.splice(0);
    await Promise.all(targets.map((target) => target.close()));
    return targets.flatMap((target) => target.violations);
  }
}

/** Nothing listens on this port. */
export async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const refused = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(socket.localPort === port)); // connected to itself
    socket.on('error', () => resolve(true));
  });
  socket.destroy();
  return refused;
}
