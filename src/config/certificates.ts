import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { CertificateConfig, TlsConfig } from './config.ts';
import { mistake, type Parsed, value } from './parsed.ts';
import type { Finding, Path } from './problem.ts';
import { decodeUtf8, readBounded } from './read-file.ts';
import type { CertificatePaths, TlsSettings } from './tls-schema.ts';

/** What became of the files that the listeners' `tls` name. */
export interface ReadCertificates {
  /** For each listener; null without TLS, and where something was found. */
  readonly tls: readonly (TlsConfig | null)[];
  readonly findings: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Absolute paths, whether or not they could be read. */
  readonly files: readonly string[];
}

export interface ReadOptions {
  /** What relative paths are taken from. */
  readonly directory: string;
  /** Whether all at and under a path is as the file has it. */
  readonly clean: (...path: Path) => boolean;
  /** ms since the Unix epoch: certificates expire. */
  readonly nowMs: number;
}

const MAX_PEM_BYTES = 256 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const HOST_NAME = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/** Reads and checks the certificates of all listeners. */
export function readCertificates(
  listeners: readonly { readonly tls?: TlsSettings | undefined }[],
  options: ReadOptions,
): ReadCertificates {
  const reader = new Reader(options);
  const tls = listeners.map((listener, i) => {
    const path: Path = ['listeners', i, 'tls'];
    return listener.tls === undefined || !options.clean(...path) ? null : reader.readAll(listener.tls, path);
  });
  return { tls, findings: reader.findings, warnings: reader.warnings, files: [...reader.files] };
}

class Reader {
  readonly findings: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly files = new Set<string>();
  readonly #directory: string;
  readonly #nowMs: number;

  constructor({ directory, nowMs }: ReadOptions) {
    this.#directory = directory;
    this.#nowMs = nowMs;
  }

  readAll({ certificates, minVersion }: TlsSettings, path: Path): TlsConfig | null {
    const read = certificates.map((paths) => this.#read(paths, [...path, ...paths.at]));
    const taken = new Set<string>();
    read.forEach((certificate, i) => {
      const names = certificate?.names ?? [];
      if (i > 0 && certificate !== null && names.every((name) => taken.has(name))) {
        const why = names.length === 0 ? 'it names no host' : 'others before it have all of its host names';
        this.warnings.push({
          path: [...path, 'certificates', i, 'cert'],
          message: `is never chosen: ${why} (subject alternative names)`,
        });
      }
      for (const name of names) taken.add(name);
    });
    return read.every((certificate) => certificate !== null) ? { certificates: read, minVersion } : null;
  }

  #read({ cert, key }: CertificatePaths, path: Path): CertificateConfig | null {
    const chain = this.#pem(cert, parseChain);
    const secret = this.#pem(key, parseKey);
    if (!chain.ok) this.findings.push({ path: [...path, 'cert'], message: `the file ${cert} ${chain.mistake}` });
    if (!secret.ok) this.findings.push({ path: [...path, 'key'], message: `the file ${key} ${secret.mistake}` });
    if (!chain.ok || !secret.ok) return null;
    const misfit =
      mismatch(chain.value.parsed, secret.value.parsed, cert) ?? refusal(chain.value.pem, secret.value.pem);
    if (misfit !== null) {
      this.findings.push({ path: [...path, misfit.at], message: misfit.message });
      return null;
    }
    const [leaf] = chain.value.parsed;
    this.#warnOfDates(leaf, [...path, 'cert']);
    return {
      file: resolve(this.#directory, cert),
      cert: chain.value.pem,
      key: secret.value.pem,
      names: hostNames(leaf),
      fingerprint: leaf.fingerprint256,
      expiresAt: leaf.validToDate.getTime(),
    };
  }

  #pem<T>(path: string, parse: (pem: string) => Parsed<T>): Parsed<{ readonly pem: string; readonly parsed: T }> {
    const absolute = resolve(this.#directory, path);
    this.files.add(absolute);
    const read = readBounded(absolute, MAX_PEM_BYTES);
    if (!read.ok) return read;
    const pem = decodeUtf8(read.value) ?? '';
    const parsed = parse(pem);
    return parsed.ok ? value({ pem, parsed: parsed.value }) : parsed;
  }

  #warnOfDates({ validFromDate, validToDate }: X509Certificate, path: Path): void {
    const day = (date: Date): string => date.toISOString().slice(0, 10);
    if (validToDate.getTime() <= this.#nowMs)
      this.warnings.push({ path, message: `expired on ${day(validToDate)}; clients will refuse it` });
    if (validFromDate.getTime() > this.#nowMs)
      this.warnings.push({
        path,
        message: `is not valid before ${day(validFromDate)}; clients will refuse it until then`,
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

/** The DNS names among the subject alternative names; clients have not looked at anything else for long (RFC 9525 §2). */
function hostNames({ subjectAltName }: X509Certificate): string[] {
  return (subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length).toLowerCase())
    .filter((name) => HOST_NAME.test(name));
}
