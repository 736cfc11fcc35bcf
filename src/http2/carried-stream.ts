import type { ServerHttp2Stream } from 'node:http2';

/** Whom a stream tells what becomes of it. */
export interface Carrier {
  onStreamData(chunk: Buffer): void;
  /** Names and values in turn. */
  onStreamTrailers(fields: readonly string[]): void;
  onStreamEnd(): void;
  onStreamDrain(): void;
  onStreamFinish(): void;
  onWantTrailers(): void;
  /** Told at the first sign of it, and perhaps again. */
  onStreamClosed(): void;
}

const CARRIER = Symbol('carrier');

/** A stream whose events go to its carrier. */
export interface CarriedStream extends ServerHttp2Stream {
  [CARRIER]?: Carrier | null;
}

/**
 * Node.js keeps a stream that is over until V8 next collects its old generation, and all that the stream's listeners hold
 * is moved there with it. So listeners are the same functions for all streams, and find the carrier at the stream, which
 * loses it at the end.
 */
export function carry(stream: ServerHttp2Stream, carrier: Carrier): CarriedStream {
  const carried: CarriedStream = stream;
  carried[CARRIER] = carrier;
  carried.on('error', noop); // 'close' follows and says it all
  carried.on('aborted', onClosed);
  carried.on('close', onClosed);
  return carried;
}

/** The carrier hears no more of it. */
export function letGo(stream: CarriedStream): void {
  stream[CARRIER] = null;
}

/** Begins to read the request's body. */
export function readBody(stream: CarriedStream): void {
  stream.on('trailers', onTrailers);
  stream.on('end', onEnd);
  stream.on('data', onData);
}

/** These three are for a stream that needs them; most do not. */
export function awaitDrain(stream: CarriedStream): void {
  stream.on('drain', onDrain);
}

export function awaitFinish(stream: CarriedStream): void {
  stream.on('finish', onFinish);
}

export function awaitTrailers(stream: CarriedStream): void {
  stream.on('wantTrailers', onWantTrailers);
}

function onData(this: CarriedStream, chunk: Buffer): void {
  this[CARRIER]?.onStreamData(chunk);
}

function onTrailers(this: CarriedStream, _: unknown, __: unknown, fields: readonly string[]): void {
  this[CARRIER]?.onStreamTrailers(fields);
}

function onEnd(this: CarriedStream): void {
  this[CARRIER]?.onStreamEnd();
}

function onDrain(this: CarriedStream): void {
  this[CARRIER]?.onStreamDrain();
}

function onFinish(this: CarriedStream): void {
  this[CARRIER]?.onStreamFinish();
}

function onWantTrailers(this: CarriedStream): void {
  this[CARRIER]?.onWantTrailers();
}

function onClosed(this: CarriedStream): void {
  this[CARRIER]?.onStreamClosed();
}

function noop(): void {}
