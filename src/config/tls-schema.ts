import { isIP } from 'node:net';
import { z } from 'zod';
import { parseHostName } from './address.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';
import type { Path } from './problem.ts';
import { object, text } from './values.ts';

/** A certificate as the file names it. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
  /** Where in the listener's `tls` the two stand. */
  readonly at: Path;
}

export interface TlsSettings {
  readonly certificates: readonly CertificatePaths[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

const pemPath = (what: string, example: string) =>
  text(
    (raw) => {
      if (raw === '') return mistake(`is empty; name the PEM file of ${what}`);
      // Said without showing it: it may be a key.
      if (raw.includes('-----BEGIN')) return mistake('is PEM itself; write it to a file and name that');
      return value(raw);
    },
    { example },
  );

const certPath = pemPath('the certificate', './shop.crt').describe(
  'PEM file with the certificate and then its intermediates; relative to this file.',
);
const keyPath = pemPath('the private key', './shop.key').describe('PEM file with its private key, not encrypted.');

/** `{cert, key}`, or `{certificates: [{cert, key}, …]}`; either with `minVersion`. */
export const tlsSchema = object({
  cert: certPath.optional(),
  key: keyPath.optional(),
  certificates: z
    .array(object({ cert: certPath, key: keyPath }))
    .min(1)
    .max(100)
    .optional()
    .describe('Several, in place of `cert` and `key`. Clients choose by host name; the first is for all others.'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).prefault('TLSv1.2').describe('Older clients are refused.'),
}).transform(({ cert, key, certificates, minVersion }, context): TlsSettings => {
  const complain = (path: Path, message: string): TlsSettings => {
    context.addIssue({ code: 'custom', path: [...path], message });
    return z.NEVER;
  };
  if (certificates !== undefined) {
    if (cert !== undefined || key !== undefined)
      return complain([cert === undefined ? 'key' : 'cert'], 'stands beside `certificates`; move it in there');
    return { certificates: certificates.map((paths, i) => ({ ...paths, at: ['certificates', i] })), minVersion };
  }
  if (cert === undefined && key === undefined)
    return complain([], 'names no certificate; give `cert` and `key`, or `certificates`');
  if (cert === undefined) return complain(['cert'], 'is missing; name the PEM file of the certificate');
  if (key === undefined) return complain(['key'], 'is missing; name the PEM file of the private key');
  return { certificates: [{ cert, key, at: [] }], minVersion };
});

export const authoritiesPath = pemPath('the certificate authorities', './internal-ca.crt');

/** What a service says about its `https:` and `h2:` targets. */
export type TargetTlsSettings = z.output<typeof targetTlsSchema>;

export const targetTlsSchema = object({
  ca: authoritiesPath
    .optional()
    .describe(
      'PEM file with the authorities that are trusted, in place of those of the system; relative to this file.',
    ),
  cert: pemPath('the client certificate', './gate.crt')
    .optional()
    .describe('PEM file with a certificate for targets that ask for one, and then its intermediates.'),
  key: keyPath.optional(),
  serverName: text(parseServerName, { example: 'shop.internal' })
    .optional()
    .describe('What targets are asked for, and what their certificates must name; by default the host of the URL.'),
  verify: z.boolean().prefault(true).describe('`false` takes any certificate: whoever is in between can read along.'),
}).superRefine(({ cert, key }, context) => {
  if ((cert === undefined) === (key === undefined)) return;
  const [missing, what] = cert === undefined ? ['cert', 'the client certificate'] : ['key', 'its private key'];
  context.addIssue({ code: 'custom', path: [missing], message: `is missing; name the PEM file of ${what}` });
});

function parseServerName(raw: string): Parsed<string> {
  const name = parseHostName(raw);
  if (name.ok && isIP(name.value.replace(/^\[|\]$/g, '')) !== 0)
    return mistake(`${quote(raw)} is an address; give a host name, or leave it out to verify the address of the URL`);
  return name.ok ? value(name.value) : name;
}
