import type { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import type { CertificateConfig, TlsConfig } from './config.ts';
import type { PemReader } from './pem.ts';
import type { Path } from './problem.ts';
import type { TlsSettings } from './tls-schema.ts';

const HOST_NAME = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

export interface CertificateOptions {
  readonly reader: PemReader;
  /** What relative paths are taken from. */
  readonly directory: string;
  /** Whether all at and under a path is as the file has it. */
  readonly clean: (...path: Path) => boolean;
}

/** The certificates of each listener; null without TLS, and where the reader found something. */
export function readCertificates(
  listeners: readonly { readonly tls?: TlsSettings | undefined }[],
  { reader, directory, clean }: CertificateOptions,
): (TlsConfig | null)[] {
  return listeners.map(({ tls }, i) => {
    const path: Path = ['listeners', i, 'tls'];
    if (tls === undefined || !clean(...path)) return null;
    const read = tls.certificates.map((paths): CertificateConfig | null => {
      const pair = reader.pair(paths, [...path, ...paths.at], 'clients');
      return pair === null
        ? null
        : {
            file: resolve(directory, paths.cert),
            cert: pair.cert,
            key: pair.key,
            names: hostNames(pair.leaf),
            fingerprint: pair.leaf.fingerprint256,
            expiresAt: pair.leaf.validToDate.getTime(),
          };
    });
    warnOfUnused(read, path, reader);
    return read.every((certificate) => certificate !== null)
      ? { certificates: read, minVersion: tls.minVersion }
      : null;
  });
}

function warnOfUnused(read: readonly (CertificateConfig | null)[], path: Path, reader: PemReader): void {
  const taken = new Set<string>();
  read.forEach((certificate, i) => {
    const names = certificate?.names ?? [];
    if (i > 0 && certificate !== null && names.every((name) => taken.has(name))) {
      const why = names.length === 0 ? 'it names no host' : 'others before it have all of its host names';
      reader.warnings.push({
        path: [...path, 'certificates', i, 'cert'],
        message: `is never chosen: ${why} (subject alternative names)`,
      });
    }
    for (const name of names) taken.add(name);
  });
}

/** The DNS names among the subject alternative names; clients have not looked at anything else for long (RFC 9525 §2). */
function hostNames({ subjectAltName }: X509Certificate): string[] {
  return (subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length).toLowerCase())
    .filter((name) => HOST_NAME.test(name));
}
