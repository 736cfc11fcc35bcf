import { END_STREAM, FRAME, type Frame, headers, PREFACE, settings } from './http2-frames.ts';
import type { RawClient } from './raw-client.ts';

/** What a client says first. */
export const HELLO = Buffer.concat([Buffer.from(PREFACE), settings()]);

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'gate.test'],
  [':path', '/'],
];
export const POST = GET.map(([name, value]): readonly [string, string] => [name, name === ':method' ? 'POST' : value]);

/** A whole request. */
export const get = (stream: number): Buffer => headers(stream, GET, END_STREAM);

/** The whole frames among the octets that have come; a TCP connection may end inside one. */
export function framesOf(octets: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= octets.length; ) {
    const end = at + 9 + octets.readUIntBE(at, 3);
    if (end > octets.length) break;
    frames.push({
      type: octets.readUInt8(at + 3),
      flags: octets.readUInt8(at + 4),
      stream: octets.readUInt32BE(at + 5) & 0x7fffffff,
      payload: Buffer.from(octets.subarray(at + 9, end)),
    });
    at = end;
  }
  return frames;
}

/** The first frame that has come and is like this. */
export async function received(client: RawClient, what: string, like: (frame: Frame) => boolean): Promise<Frame> {
  return client.inbox.wait(what, () => framesOf(client.inbox.bytes).find(like));
}

/** How the gate ended a stream: the code of its RST_STREAM. */
export async function resetCode(client: RawClient, stream: number): Promise<number> {
  const isIt = (frame: Frame): boolean => frame.type === FRAME.rst && frame.stream === stream;
  return (await received(client, `a reset of stream ${stream}`, isIt)).payload.readUInt32BE(0);
}

/** The code of the first GOAWAY. */
export async function goawayCode(client: RawClient): Promise<number> {
  return (await received(client, 'a GOAWAY', ({ type }) => type === FRAME.goaway)).payload.readUInt32BE(4);
}
