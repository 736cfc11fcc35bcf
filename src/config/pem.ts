import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { mistake, type Parsed, value } from './parsed.ts';
import type { Finding, Path } from './problem.ts';
import { decodeUtf8, readBounded } from './read-file.ts';

export interface PemOptions {
  /** What relative paths are taken from. */
  readonly directory: string;
  /** ms since the Unix epoch: certificates expire. */
  readonly nowMs: number;
}

/** A certificate and its key, found to belong together. */
export interface CertificatePair {
  /** PEM: the certificate, then its intermediates. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly leaf: X509Certificate;
}

const MAX_PEM_BYTES = 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads the PEM files that a configuration names, and collects what is wrong with them and where it names them. */
export class PemReader {
  readonly findings: Finding[] = [];
  readonly warnings: Finding[] = [];
  /** Absolute paths, whether or not they could be read. */
  readonly files = new Set<string>();
  readonly #directory: string;
  readonly #nowMs: number;

  constructor({ directory, nowMs }: PemOptions) {
    this.#directory = directory;
    this.#nowMs = nowMs;
  }

  /** `path`: where `cert` and `key` stand. `peers`: who the certificate is shown to. */
  pair(
    { cert, key }: { readonly cert: string; readonly key: string },
    path: Path,
    peers: 'clients' | 'targets',
  ): CertificatePair | null {
    const chain = this.#read(cert, [...path, 'cert'], parseChain);
    const secret = this.#read(key, [...path, 'key'], parseKey);
    if (chain === null || secret === null) return null;
    const misfit = mismatch(chain.parsed, secret.parsed, cert) ?? refusal(chain.pem, secret.pem);
    if (misfit !== null) {
      this.findings.push({ path: [...path, misfit.at], message: misfit.message });
      return null;
    }
    const [leaf] = chain.parsed;
    this.#warnOfDates(leaf, [...path, 'cert'], peers);
    return { cert: chain.pem, key: secret.pem, leaf };
  }

  /** The certificates of authorities, PEM; null when they cannot be read. `peers`: who is believed by them. */
  authorities(file: string, path: Path, peers: 'every target' | 'this server'): string | null {
    const read = this.#read(file, path, parseChain);
    if (read === null) return null;
    const stale = read.parsed.every(({ validToDate }) => validToDate.getTime() <= this.#nowMs);
    if (stale) this.warnings.push({ path, message: `has expired certificates only; ${peers} will be refused` });
    return read.pem;
  }

  #read<T>(
    file: string,
    path: Path,
    parse: (pem: string) => Parsed<T>,
  ): { readonly pem: string; readonly parsed: T } | null {
    const absolute = resolve(this.#directory, file);
    this.files.add(absolute);
    const read = readBounded(absolute, MAX_PEM_BYTES);
    const pem = read.ok ? (decodeUtf8(read.value) ?? '') : '';
    const parsed = read.ok ? parse(pem) : read;
    if (parsed.ok) return { pem, parsed: parsed.value };
    this.findings.push({ path, message: `the file ${file} ${parsed.mistake}` });
    return null;
  }

  #warnOfDates({ validFromDate, validToDate }: X509Certificate, path: Path, peers: string): void {
    const day = (date: Date): string => date.toISOString().slice(0, 10);
    if (validToDate.getTime() <= this.#nowMs)
      this.warnings.push({ path, message: `expired on ${day(validToDate)}; ${peers} will refuse it` });
    if (validFromDate.getTime() > this.#nowMs)
      this.warnings.push({
        path,
        message: `is not valid before ${day(validFromDate)}; ${peers} will refuse it until then`,
      });
  }
}

type Chain = readonly [X509Certificate, ...X509Certificate[]];

function parseChain(pem: string): Parsed<Chain> {
  const certificates: X509Certificate[] = [];
  for (const [block] of pem.matchAll(CERTIFICATE)) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return mistake(`has a certificate that cannot be read (number ${certificates.length + 1} in it)`);
    }
  }
  const [leaf, ...others] = certificates;
  return leaf === undefined
    ? mistake('holds no certificate in PEM; such a file has a line -----BEGIN CERTIFICATE-----')
    : value([leaf, ...others]);
}

function parseKey(pem: string): Parsed<KeyObject> {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    return mistake('holds no private key in PEM; such a file has a line -----BEGIN PRIVATE KEY-----');
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem))
    return mistake('is encrypted; give the key without a passphrase, readable by the gate only');
  try {
    return value(createPrivateKey(pem));
  } catch {
    return mistake('has a private key that cannot be read');
  }
}

interface Misfit {
  readonly at: 'cert' | 'key';
  readonly message: string;
}

function mismatch([leaf, ...others]: Chain, key: KeyObject, certPath: string): Misfit | null {
  if (leaf.checkPrivateKey(key)) return null;
  return others.some((other) => other.checkPrivateKey(key))
    ? {
        at: 'cert',
        message: 'begins with another certificate than that of the key; put it first, then its intermediates',
      }
    : { at: 'key', message: `is not the key of the certificate in ${certPath}` };
}

/** What else OpenSSL has against the two, such as a key that is too short. */
function refusal(cert: string, key: string): Misfit | null {
  try {
    createSecureContext({ cert, key });
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error:[^:]*:[^:]*:[^:]*:/, '') : String(error);
    return { at: 'cert', message: `cannot be used: ${reason}` };
  }
}
