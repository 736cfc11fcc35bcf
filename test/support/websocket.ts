import { head } from './message.ts';

/** The handshake of a WebSocket client (RFC 6455 §4.1), with the key of the RFC's example. */
export function handshake(path = '/ws', host = 'gate.test'): Buffer {
  return head(
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  );
}

/** A target's answer, as far as the gate reads it. */
export const SWITCHED = head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade');
