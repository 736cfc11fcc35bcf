import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isLocalFault } from '../platform/local-fault.ts';
import { mistake, type Parsed, value } from './parsed.ts';

/** `starved`: we lack the means to read just now, which says nothing about the file. */
export type ReadResult = Parsed<Buffer> & { readonly starved?: true };

/** Where the size of a file does not tell. */
const FIRST_BYTES = 16 * 1024;

/**
 * The bytes of a regular file of at most `maxBytes`, or why not. Read to the end and not by its size, which is 0 for
 * files the kernel makes up.
 */
export function readBounded(path: string, maxBytes: number): ReadResult {
  let descriptor: number | null = null;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer for ever.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const kind = fstatSync(descriptor);
    if (kind.isDirectory()) return mistake('is a directory; name a file');
    if (!kind.isFile()) return mistake('is not a regular file; name one that can be read again');
    const bytes = readToEnd(descriptor, kind.size === 0 ? FIRST_BYTES : kind.size, maxBytes);
    return bytes === null ? mistake(`is larger than ${maxBytes / 1024} KiB; make it smaller`) : value(bytes);
  } catch (error) {
    return isLocalFault(error) ? { ...mistake(reasonOf(error)), starved: true } : mistake(reasonOf(error));
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** Null when there is more than `maxBytes`. */
function readToEnd(descriptor: number, expectedBytes: number, maxBytes: number): Buffer | null {
  // One more than is expected: the end is seen without growing.
  let buffer = Buffer.allocUnsafe(Math.min(expectedBytes, maxBytes) + 1);
  let length = 0;
  for (;;) {
    const read = readSync(descriptor, buffer, length, buffer.length - length, null);
    length += read;
    if (length > maxBytes) return null;
    if (read === 0) return buffer.subarray(0, length);
    if (length === buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(2 * length, maxBytes + 1));
      buffer.copy(larger);
      buffer = larger;
    }
  }
}

/** The text of UTF-8 bytes without a byte order mark; null when they are something else. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'does not exist; check the path';
    case 'ENOTDIR':
      return 'does not exist: a part of the path is not a directory';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read; check its permissions';
    case 'ELOOP':
      return 'is a symbolic link that leads to itself';
    case 'EMFILE':
    case 'ENFILE':
      return 'cannot be read for want of a file descriptor; raise the limit of open files';
    case 'ERR_INVALID_ARG_VALUE':
      return 'is not a path';
    default:
      return `cannot be read (${code === '' ? String(error) : code})`;
  }
}
