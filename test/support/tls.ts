import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterEach } from 'vitest';
import type { CertificateOptions, TlsOptions } from '../../src/proxy/messages.ts';
import { RawClient } from './raw-client.ts';

export const FIXTURES = resolve(import.meta.dirname, '../fixtures/tls');

/** Certificates that targets and their clients need besides. */
export const TARGET_FIXTURES = resolve(import.meta.dirname, '../fixtures/tls-targets');

/** The root that the fixtures' certificates lead to. */
export const ROOT = pem('root.crt');

export function pem(file: string): string {
  return readFileSync(`${FIXTURES}/${file}`, 'utf8');
}

/** A fixture as a worker is told of it. */
export function certificate(name: string, ...names: string[]): CertificateOptions {
  return { cert: pem(`${name}.crt`), key: pem(`${name}.key`), names };
}

export const GATE = certificate('gate', 'gate.test', 'localhost');

export function serving(...certificates: CertificateOptions[]): TlsOptions {
  return { certificates, minVersion: 'TLSv1.2' };
}

/** A raw client over TLS. */
export interface SecureClient {
  readonly client: RawClient;
  readonly socket: TLSSocket;
}

export interface SecureOptions extends ConnectionOptions {
  /** Sent before the handshake. */
  readonly preface?: string | Buffer;
  readonly localAddress?: string;
}

/** Opens raw clients over TLS for a test and closes them after it. */
export class SecureClients {
  readonly #open: Socket[] = [];

  /** Resolves when the handshake is done and the server's certificate was found good; rejects when it is not. */
  async open(port: number, { preface, localAddress, ...options }: SecureOptions = {}): Promise<SecureClient> {
    const carrier = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true, ...(localAddress && { localAddress }) });
    this.#open.push(carrier);
    const { promise, resolve: done, reject } = Promise.withResolvers<void>();
    carrier.on('error', reject);
    if (preface !== undefined) carrier.write(preface, 'latin1');
    const socket = connect({
      ca: ROOT,
      servername: 'gate.test',
      ALPNProtocols: ['http/1.1'],
      ...options,
      socket: carrier,
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before the handshake was done')));
    socket.once('secureConnect', done);
    await promise;
    return { client: RawClient.over(socket, carrier), socket };
  }

  close(): void {
    for (const socket of this.#open.splice(0)) socket.destroy();
  }
}

export function useSecureClients(): SecureClients {
  const clients = new SecureClients();
  afterEach(() => clients.close());
  return clients;
}
