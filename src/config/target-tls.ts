import { type TargetTls, TRUST_SYSTEM } from '../platform/tls.ts';
import type { PemReader } from './pem.ts';
import type { Path } from './problem.ts';
import type { TargetTlsSettings } from './tls-schema.ts';

/** What each service says about its targets' TLS, with the files read; without those where the reader found something. */
export function readTargetTls(
  services: Readonly<Record<string, { readonly tls: TargetTlsSettings }>>,
  { reader, clean }: { readonly reader: PemReader; readonly clean: (...path: Path) => boolean },
): ReadonlyMap<string, TargetTls> {
  return new Map(
    Object.entries(services).map(([name, { tls }]) => {
      const path: Path = ['services', name, 'tls'];
      return [name, clean(...path) ? readOne(tls, path, reader) : TRUST_SYSTEM];
    }),
  );
}

/** The same of servers that the gate calls by itself, by name; those that say nothing are left out. */
export function readServerTls(
  section: 'prometheus' | 'webhooks',
  servers: Readonly<Record<string, { readonly ca?: string | undefined }>>,
  { reader, clean }: { readonly reader: PemReader; readonly clean: (...path: Path) => boolean },
): ReadonlyMap<string, TargetTls> {
  return new Map(
    Object.entries(servers).flatMap(([name, { ca }]): [string, TargetTls][] => {
      const path: Path = [section, name, 'ca'];
      if (ca === undefined || !clean(...path)) return [];
      return [[name, { ...TRUST_SYSTEM, ca: reader.authorities(ca, path, 'this server') }]];
    }),
  );
}

/** The shared settings themselves where nothing is said, so that all such services share what is made of them. */
function readOne({ ca, cert, key, serverName, verify }: TargetTlsSettings, path: Path, reader: PemReader): TargetTls {
  if (ca === undefined && cert === undefined && serverName === undefined && verify) return TRUST_SYSTEM;
  const authorities = ca === undefined ? null : reader.authorities(ca, [...path, 'ca'], 'every target');
  const pair = cert === undefined || key === undefined ? null : reader.pair({ cert, key }, path, 'targets');
  return {
    ca: authorities,
    cert: pair?.cert ?? null,
    key: pair?.key ?? null,
    serverName: serverName ?? null,
    verify,
  };
}
