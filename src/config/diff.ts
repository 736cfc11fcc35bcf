import { isDeepStrictEqual } from 'node:util';
import { formatAddress } from './address.ts';
import type { AdminConfig, Config, PrometheusConfig, WebhookConfig } from './config.ts';
import { changed, durations, given, keyed, listed, onOff, RESTART } from './diff/lines.ts';
import { listenerLines } from './diff/listeners.ts';
import { serviceLines, targetTlsLines } from './diff/service.ts';

/**
 * What a new configuration changes, one line for each thing, in words such as `service shop: upstream green: weight
 * 0 → 5`. Empty when nothing. Lines that end in `(needs a restart)` are not applied by a reload. Never has a token.
 */
export function describeChanges(before: Config, after: Config): readonly string[] {
  return [
    ...listenerLines(before.listeners, after.listeners),
    ...changed('admin: address', adminAddress(before.admin), adminAddress(after.admin), RESTART),
    ...tokenLines(before.admin, after.admin),
    ...listed('admin: host', before.admin.hosts, after.admin.hosts),
    ...changed('store: path', before.store.path, after.store.path, RESTART),
    ...changed('workers', before.workers, after.workers, RESTART),
    ...changed('access log', onOff(before.accessLog), onOff(after.accessLog)),
    ...changed(
      'shutdown: readiness delay',
      ...durations(before.shutdown.readinessDelayMs, after.shutdown.readinessDelayMs),
    ),
    ...changed('shutdown: drain timeout', ...durations(before.shutdown.drainTimeoutMs, after.shutdown.drainTimeoutMs)),
    ...changed('shutdown: close spread', ...durations(before.shutdown.closeSpreadMs, after.shutdown.closeSpreadMs)),
    ...changed('admin: external URL', before.admin.externalUrl ?? 'none', after.admin.externalUrl ?? 'none', RESTART),
    ...keyed('prometheus', before.prometheus, after.prometheus, prometheusLines),
    ...keyed('webhook', before.webhooks, after.webhooks, webhookLines),
    ...(isDeepStrictEqual(before.notifications, after.notifications) ? [] : ['notifications changed']),
    ...keyed('service', before.services, after.services, serviceLines),
    ...keyed('group', before.groups, after.groups, (was, is) => listed('service', was.services, is.services)),
  ];
}

function prometheusLines(before: PrometheusConfig, after: PrometheusConfig): string[] {
  return [
    ...changed('URL', before.url, after.url),
    ...(before.authorization === after.authorization
      ? []
      : [given('credentials', before.authorization, after.authorization)]),
    ...targetTlsLines(before.tls, after.tls),
  ];
}

/** Never shows the URL, which may be a secret. */
function webhookLines(before: WebhookConfig, after: WebhookConfig): string[] {
  return [
    ...(before.url === after.url ? [] : ['URL changed']),
    ...(before.secret === after.secret ? [] : [given('secret', before.secret, after.secret)]),
    ...changed('timeout', ...durations(before.timeoutMs, after.timeoutMs)),
    ...changed('attempts', before.attempts, after.attempts),
    ...changed('backoff', ...durations(before.backoffMs, after.backoffMs)),
    ...targetTlsLines(before.tls, after.tls),
  ];
}

function tokenLines(before: AdminConfig, after: AdminConfig): string[] {
  const byName = (admin: AdminConfig) => Object.fromEntries(admin.tokens.map((token) => [token.name, token]));
  return keyed('admin: token', byName(before), byName(after), (was, is) => [
    ...changed('role', was.role, is.role),
    ...(was.token === is.token ? [] : ['the secret changed']),
  ]);
}

function adminAddress({ address }: AdminConfig): string {
  return address.kind === 'unix' ? `unix:${address.path}` : formatAddress(address);
}
