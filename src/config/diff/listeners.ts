import { formatAddress } from '../address.ts';
import type { CertificateConfig, ListenerConfig, TlsConfig } from '../config.ts';
import { formatSize } from '../units.ts';
import { changed, durations, keyed, listed, onOff, RESTART } from './lines.ts';

/** Listeners have no names; their address is who they are. */
export function listenerLines(before: readonly ListenerConfig[], after: readonly ListenerConfig[]): string[] {
  return keyed('listener', byAddress(before), byAddress(after), (was, is) => [
    ...tlsLines(was.tls, is.tls),
    ...listed('trusted proxy', was.trustedProxies, is.trustedProxies),
    ...changed('HTTP/2', onOff(was.http2), onOff(is.http2), RESTART),
    ...changed('PROXY protocol', was.proxyProtocol, is.proxyProtocol, RESTART),
    ...changed('head timeout', ...durations(was.timeouts.headMs, is.timeouts.headMs)),
    ...changed('body timeout', ...durations(was.timeouts.bodyMs, is.timeouts.bodyMs)),
    ...changed('keep-alive timeout', ...durations(was.timeouts.keepAliveMs, is.timeouts.keepAliveMs)),
    ...changed('head limit', formatSize(was.limits.headBytes), formatSize(is.limits.headBytes)),
    ...changed('field limit', was.limits.fields, is.limits.fields),
    ...changed('body limit', formatSize(was.limits.bodyBytes), formatSize(is.limits.bodyBytes)),
    ...changed('connection limit', was.limits.connections, is.limits.connections),
    ...changed('stream limit', was.limits.streams, is.limits.streams),
  ]);
}

function tlsLines(before: TlsConfig | null, after: TlsConfig | null): string[] {
  if (before === null || after === null) return changed('TLS', onOff(before !== null), onOff(after !== null));
  return [
    ...changed('TLS minimum version', before.minVersion, after.minVersion),
    ...keyed('certificate', byFile(before), byFile(after), (was, is) => {
      if (was.cert === is.cert && was.key === is.key) return [];
      if (was.fingerprint === is.fingerprint) return ['its key or its intermediates changed'];
      return [`${certificateText(was)} → ${certificateText(is)}`];
    }),
    ...changed('default certificate', before.certificates[0]?.file ?? 'none', after.certificates[0]?.file ?? 'none'),
  ];
}

function byFile({ certificates }: TlsConfig): Record<string, CertificateConfig> {
  return Object.fromEntries(certificates.map((certificate) => [certificate.file, certificate]));
}

function certificateText({ names, fingerprint, expiresAt }: CertificateConfig): string {
  const until = new Date(expiresAt).toISOString().slice(0, 10);
  return `${names.join(', ') || 'no host'} until ${until} (${fingerprint.slice(0, 11)})`;
}

/** Several listeners may have port 0 of one host; they are told apart by their order. */
function byAddress(listeners: readonly ListenerConfig[]): Record<string, ListenerConfig> {
  const seen = new Map<string, number>();
  const entries = listeners.map((listener): [string, ListenerConfig] => {
    const address = formatAddress(listener);
    const count = (seen.get(address) ?? 0) + 1;
    seen.set(address, count);
    return [count === 1 ? address : `${address} (${count})`, listener];
  });
  return Object.fromEntries(entries);
}
