import type { BodyReader } from './body-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** How a body is framed on the way out. `raw`: by Content-Length or by closing the connection. */
export type OutFraming = 'none' | 'raw' | 'chunked';

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n');

/**
 * Writes the data of the buffer last fed to `reader`, framed anew: all its runs become one chunk. Behind the last data
 * of a chunked body follow the final chunk and `trailers` (whole field lines, already filtered).
 */
export function writeBody(
  writer: ByteWriter,
  buf: Buffer,
  reader: BodyReader,
  framing: OutFraming,
  trailers: Buffer | null,
): void {
  if (framing === 'none') return;
  const size = reader.runBytes();
  const chunked = framing === 'chunked';
  if (size > 0) {
    if (chunked) {
      writer.digits(size, 16);
      writer.all(CRLF);
    }
    for (let i = 0; i < reader.runCount; i++)
      writer.bytes(buf, reader.runs[2 * i] as number, reader.runs[2 * i + 1] as number);
    if (chunked) writer.all(CRLF);
  }
  if (chunked && reader.done) {
    writer.all(LAST_CHUNK);
    if (trailers !== null) writer.all(trailers);
    writer.all(CRLF);
  }
}

/** The data itself without a copy, if it is one run that goes out as it is; else null. */
export function singleRun(buf: Buffer, reader: BodyReader, framing: OutFraming): Buffer | null {
  if (framing !== 'raw' || reader.runCount !== 1) return null;
  return buf.subarray(reader.runs[0] as number, reader.runs[1] as number);
}
