import { createServer, type Server, type Socket } from 'node:net';
import { eventually } from './inbox.ts';

/** Types of RFC 9113 §6. */
export const FRAME = {
  data: 0,
  headers: 1,
  rst: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 0x1;
const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK literals without indexing and without Huffman coding (RFC 7541 §6.2.2): any octets, also forbidden ones. */
export function headers(stream: number, fields: readonly (readonly [string, string])[], flags = 0): Buffer {
  const block = Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0), ...[name, value].flatMap((text) => literal(text))]),
  );
  return frame(FRAME.headers, END_HEADERS | flags, stream, block);
}

function literal(text: string): Buffer[] {
  const octets = Buffer.from(text, 'latin1');
  if (octets.length < 127) return [Buffer.of(octets.length), octets];
  const length = [127];
  let rest = octets.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return [Buffer.from([...length, rest]), octets];
}

export const data = (stream: number, text: string, flags = 0): Buffer =>
  frame(FRAME.data, flags, stream, Buffer.from(text));

export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer => {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
};

export const rst = (stream: number, code: number): Buffer => frame(FRAME.rst, 0, stream, uint32(code));

export const windowUpdate = (stream: number, octets: number): Buffer =>
  frame(FRAME.windowUpdate, 0, stream, uint32(octets));

export const goaway = (lastStream: number, code = 0): Buffer =>
  frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]));

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

/** One connection to a target that speaks HTTP/2 frame by frame, as its script says. */
export class FrameConnection {
  readonly frames: Frame[] = [];
  readonly #socket: Socket;
  #buffered: Buffer = Buffer.alloc(0);
  #isPrefaced = false;
  closed = false;

  constructor(socket: Socket, onFrame: (frame: Frame, connection: FrameConnection) => void) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, chunk]);
      for (let next = this.#next(); next !== null; next = this.#next()) {
        this.frames.push(next);
        onFrame(next, this);
      }
    });
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(frames));
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Frames of this type that came so far. */
  of(type: number): Frame[] {
    return this.frames.filter((each) => each.type === type);
  }

  #next(): Frame | null {
    if (!this.#isPrefaced) {
      if (this.#buffered.length < PREFACE.length) return null;
      if (this.#buffered.latin1Slice(0, PREFACE.length) !== PREFACE) throw new Error('no HTTP/2 preface');
      this.#buffered = this.#buffered.subarray(PREFACE.length);
      this.#isPrefaced = true;
    }
    if (this.#buffered.length < 9) return null;
    const length = this.#buffered.readUIntBE(0, 3);
    if (this.#buffered.length < 9 + length) return null;
    const next = {
      type: this.#buffered.readUInt8(3),
      flags: this.#buffered.readUInt8(4),
      stream: this.#buffered.readUInt32BE(5) & 0x7fffffff,
      payload: Buffer.from(this.#buffered.subarray(9, 9 + length)),
    };
    this.#buffered = this.#buffered.subarray(9 + length);
    return next;
  }
}

export interface FrameScript {
  /** Sent as soon as a connection is there; default: empty SETTINGS. */
  readonly greeting?: readonly Buffer[];
  /** A request's HEADERS have come; `count` of them so far, on all connections. */
  readonly onRequest?: (connection: FrameConnection, stream: number, count: number) => void;
  /** Any other frame. */
  readonly onFrame?: (frame: Frame, connection: FrameConnection) => void;
  /** Answers SETTINGS and PING; default true. */
  readonly acknowledges?: boolean;
  /** Lets the gate send what it has taken of a body once more; default false: then it takes 64 KiB. */
  readonly takesBodies?: boolean;
}

/** A target that breaks the rules of HTTP/2, or keeps them, to the frame. */
export class FrameTarget {
  readonly connections: FrameConnection[] = [];
  requests = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor({
    greeting = [settings()],
    onRequest,
    onFrame,
    acknowledges = true,
    takesBodies = false,
  }: FrameScript) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      const connection = new FrameConnection(socket, (each, from) => {
        if (acknowledges && each.type === FRAME.settings && (each.flags & ACK) === 0)
          from.send(frame(FRAME.settings, ACK, 0));
        if (acknowledges && each.type === FRAME.ping && (each.flags & ACK) === 0)
          from.send(frame(FRAME.ping, ACK, 0, each.payload));
        const taken = each.type === FRAME.data && takesBodies ? each.payload.length : 0;
        if (taken > 0) from.send(windowUpdate(0, taken), windowUpdate(each.stream, taken));
        if (each.type === FRAME.headers) onRequest?.(from, each.stream, ++this.requests);
        else onFrame?.(each, from);
      });
      this.connections.push(connection);
      connection.send(...greeting);
    });
  }

  static async listen(script: FrameScript): Promise<FrameTarget> {
    const target = new FrameTarget(script);
    await new Promise<void>((resolve) => target.#server.listen(0, '127.0.0.1', resolve));
    return target;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Waits for so many frames of a type, on all connections together. */
  async seen(type: number, count = 1): Promise<Frame[]> {
    const all = (): Frame[] => this.connections.flatMap((connection) => connection.of(type));
    await eventually(`${count} frames of type ${type} have come`, () => all().length >= count);
    return all();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
