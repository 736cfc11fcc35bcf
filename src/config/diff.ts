import { isDeepStrictEqual } from 'node:util';
import type { TargetTls } from '../platform/tls.ts';
import { formatAddress } from './address.ts';
import type {
  AdminConfig,
  CertificateConfig,
  Config,
  Guard,
  HealthConfig,
  ListenerConfig,
  OutliersConfig,
  PinsConfig,
  PreviewConfig,
  PrometheusConfig,
  RolloutPlan,
  RolloutPolicies,
  ServiceConfig,
  SmokeRequest,
  Stage,
  TlsConfig,
  UpstreamConfig,
  WebhookConfig,
} from './config.ts';
import { gateText } from './gate-schema.ts';
import { guardText } from './guards/plan.ts';
import { formatDuration, formatPercent, formatSize } from './units.ts';

const RESTART = ' (needs a restart)';

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

function serviceLines(before: ServiceConfig, after: ServiceConfig): string[] {
  const [wait, waitNow] = [before.timeouts, after.timeouts];
  return [
    ...listed('host', before.hosts, after.hosts),
    ...listed('path', before.paths, after.paths),
    ...keyed('upstream', before.upstreams, after.upstreams, upstreamLines),
    ...changed('stable', before.stable, after.stable),
    ...changed('health', healthText(before.health), healthText(after.health)),
    ...changed('pins', pinsText(before.pins), pinsText(after.pins)),
    ...changed('drain timeout', ...durations(before.drain.timeoutMs, after.drain.timeoutMs)),
    ...changed('connect timeout', ...durations(wait.connectMs, waitNow.connectMs)),
    ...changed('response timeout', ...durations(wait.responseMs, waitNow.responseMs)),
    ...changed('idle timeout', ...durations(wait.idleMs, waitNow.idleMs)),
    ...changed('retry attempts', before.retries.attempts, after.retries.attempts),
    ...changed('retry budget', formatPercent(before.retries.budget), formatPercent(after.retries.budget)),
    ...changed('outliers', outliersText(before.outliers), outliersText(after.outliers)),
    ...changed('in-flight limit', before.limits.inFlightPerTarget ?? 'none', after.limits.inFlightPerTarget ?? 'none'),
    ...changed('queue limit', before.limits.queue, after.limits.queue),
    ...changed('queue timeout', ...durations(before.limits.queueTimeoutMs, after.limits.queueTimeoutMs)),
    ...changed('slow start', ...durations(before.slowStartMs, after.slowStartMs)),
    ...targetTlsLines(before.tls, after.tls).map((line) => `tls: ${line}`),
    ...changed('expose', onOff(before.expose), onOff(after.expose)),
    ...changed('business', businessText(before.business), businessText(after.business)),
    ...previewLines(before.preview, after.preview),
    ...planLines(before.rollout, after.rollout).map((line) => `rollout: ${line}`),
  ];
}

/** Never shows what a file held. */
function targetTlsLines(before: TargetTls, after: TargetTls): string[] {
  const isNewPair = before.cert !== after.cert || before.key !== after.key;
  return [
    ...(before.ca === after.ca ? [] : [given('authorities', before.ca, after.ca)]),
    ...(isNewPair ? [given('client certificate', before.cert, after.cert)] : []),
    ...changed('server name', before.serverName ?? 'of the URL', after.serverName ?? 'of the URL'),
    ...changed('verification', onOff(before.verify), onOff(after.verify)),
  ];
}

function given(what: string, before: string | null, after: string | null): string {
  if (before === null) return `${what} added`;
  return `${what} ${after === null ? 'removed' : 'changed'}`;
}

/** Never shows a value that opens the way. */
function previewLines(before: PreviewConfig | null, after: PreviewConfig | null): string[] {
  const lines = changed('preview', previewText(before), previewText(after));
  return lines.length === 0 && !isDeepStrictEqual(before, after) ? ['preview: a value changed'] : lines;
}

function previewText(preview: PreviewConfig | null): string {
  if (preview === null) return 'none';
  const { header, cookie, hosts } = preview;
  return [header && `header ${header.name}`, cookie && `cookie ${cookie.name}`, ...hosts.map((host) => `host ${host}`)]
    .filter((part) => part !== null)
    .join(', ');
}

function upstreamLines(before: UpstreamConfig, after: UpstreamConfig): string[] {
  return [...changed('weight', before.weight, after.weight), ...listed('target', before.targets, after.targets)];
}

function planLines(before: RolloutPlan, after: RolloutPlan): string[] {
  return [
    ...changed('strategy', before.strategy, after.strategy),
    ...changed('stages', stagesText(before), stagesText(after)),
    ...changed('guards', guardsText(before.guards), guardsText(after.guards)),
    ...changed('mirror', mirrorText(before.mirror), mirrorText(after.mirror)),
    ...policyLines(before, after),
    ...smokeLines(before.smoke, after.smoke),
  ];
}

function policyLines(before: RolloutPolicies, after: RolloutPolicies): string[] {
  const time = (ms: number | undefined): string => formatDuration(ms ?? 0);
  const deadline = (ms: number | undefined): string => (ms === undefined ? 'none' : formatDuration(ms));
  return [
    ...changed('on inconclusive', before.onInconclusive ?? 'advance', after.onInconclusive ?? 'advance'),
    ...changed('extend', time(before.extendMs), time(after.extendMs)),
    ...changed('on no traffic', before.onNoTraffic ?? 'advance', after.onNoTraffic ?? 'advance'),
    ...changed('deadline', deadline(before.deadlineMs), deadline(after.deadlineMs)),
    ...changed('on deadline', before.onDeadline ?? 'abort', after.onDeadline ?? 'abort'),
    ...changed('keep warm', time(before.keepWarmMs), time(after.keepWarmMs)),
    ...changed('ramp of a rollback', time(before.rampMs), time(after.rampMs)),
  ];
}

function smokeLines(before: readonly SmokeRequest[], after: readonly SmokeRequest[]): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [was, is] = [before.map(smokeText).join(', ') || 'none', after.map(smokeText).join(', ') || 'none'];
  return was === is ? ['smoke requests changed'] : changed('smoke requests', was, is);
}

/** Listeners have no names; their address is who they are. */
function listenerLines(before: readonly ListenerConfig[], after: readonly ListenerConfig[]): string[] {
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

function tokenLines(before: AdminConfig, after: AdminConfig): string[] {
  const byName = (admin: AdminConfig) => Object.fromEntries(admin.tokens.map((token) => [token.name, token]));
  return keyed('admin: token', byName(before), byName(after), (was, is) => [
    ...changed('role', was.role, is.role),
    ...(was.token === is.token ? [] : ['the secret changed']),
  ]);
}

function keyed<T>(
  noun: string,
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  describe: (before: T, after: T) => string[],
): string[] {
  const lines: string[] = [];
  for (const [key, was] of Object.entries(before)) {
    const is = Object.hasOwn(after, key) ? after[key] : undefined;
    if (is === undefined) lines.push(`${noun} ${key} removed`);
    else lines.push(...describe(was, is).map((line) => `${noun} ${key}: ${line}`));
  }
  for (const key of Object.keys(after)) if (!Object.hasOwn(before, key)) lines.push(`${noun} ${key} added`);
  return lines;
}

function listed(noun: string, before: readonly string[], after: readonly string[]): string[] {
  return [
    ...before.filter((item) => !after.includes(item)).map((item) => `${noun} ${item} removed`),
    ...after.filter((item) => !before.includes(item)).map((item) => `${noun} ${item} added`),
  ];
}

function changed<T extends string | number>(what: string, before: T, after: T, note = ''): string[] {
  return before === after ? [] : [`${what} ${before} → ${after}${note}`];
}

function durations(before: number, after: number): [string, string] {
  return [formatDuration(before), formatDuration(after)];
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}

function adminAddress({ address }: AdminConfig): string {
  return address.kind === 'unix' ? `unix:${address.path}` : formatAddress(address);
}

function healthText(health: HealthConfig | null): string {
  if (health === null) return 'none';
  const { ask, intervalMs, timeoutMs, rise, fall, graceMs } = health;
  const times = `every ${formatDuration(intervalMs)}, timeout ${formatDuration(timeoutMs)}, grace ${formatDuration(graceMs)}`;
  const rows = `${times}, rise ${rise}, fall ${fall}`;
  if (ask.kind === 'grpc') return `gRPC${ask.service === '' ? '' : ` ${ask.service}`} (${rows})`;
  return `${ask.path} (${rows}, status ${ask.status.min}-${ask.status.max})`;
}

function outliersText(outliers: OutliersConfig | null): string {
  if (outliers === null) return 'none';
  const { consecutive, share, minRequests, windowMs, ejectionMs, maxEjectionMs, maxEjected, panic, dryRun } = outliers;
  const failing = share === null ? '' : ` or ${formatPercent(share)} of ${minRequests}`;
  return [
    `${consecutive} in a row${failing} within ${formatDuration(windowMs)}`,
    `out for ${formatDuration(ejectionMs)} to ${formatDuration(maxEjectionMs)}`,
    `at most ${formatPercent(maxEjected)}`,
    `panic below ${formatPercent(panic)}`,
    ...(dryRun ? ['dry run'] : []),
  ].join(', ');
}

function businessText(business: ServiceConfig['business']): string {
  return business === null ? 'none' : `${business.header}${business.forward ? ' (forwarded)' : ''}`;
}

function pinsText(pins: PinsConfig): string {
  if (pins.by === 'header') return `by header ${pins.header}`;
  if (pins.by === 'cookie')
    return `by cookie ${pins.name} for ${pins.maxAgeS === 0 ? 'the session' : formatDuration(pins.maxAgeS * 1000)}`;
  return pins.by === 'ip' ? 'by ip' : 'none';
}

function stagesText({ stages }: RolloutPlan): string {
  return stages
    .map(({ weight, holdMs, mirror, minRequests, gate, extendMs, guards }) => {
      const copies = mirror === undefined ? '' : ` and copies of ${formatPercent(mirror)}`;
      const begun = `${gate === undefined ? '' : `${gateText(gate)}, `}${weight}${copies}`;
      const most = extendMs === undefined ? '' : ` and up to ${formatDuration(extendMs)}`;
      const held = holdMs === 0 && most === '' ? begun : `${begun} for ${formatDuration(holdMs)}${most}`;
      const needed = minRequests === undefined ? held : `${held} and ${minRequests} requests`;
      return guards === undefined ? needed : `${needed} (${ownGuardsText(guards)})`;
    })
    .join(', ');
}

function mirrorText(mirror: RolloutPlan['mirror']): string {
  if (mirror === undefined) return 'default';
  const { methods, requestBytes, compare } = mirror;
  const copied = `${methods.join(', ')} up to ${formatSize(requestBytes)}`;
  if (compare === null) return copied;
  const ignored = compare.ignore.length === 0 ? '' : ` without ${compare.ignore.join(', ')}`;
  const fields = compare.headers.length === 0 ? '' : ` and ${compare.headers.join(', ')}`;
  return `${copied}, bodies up to ${formatSize(compare.bodyBytes)}${fields} compared${ignored}`;
}

function guardsText(guards: readonly Guard[]): string {
  return guards.map(guardText).join(', ') || 'none';
}

/** What a stage says of guards, by name. */
function ownGuardsText(guards: NonNullable<Stage['guards']>): string {
  return guards.map((guard) => (guard.kind === 'none' ? `${guard.name} off` : guardText(guard))).join(', ');
}

function smokeText({ method, path, expect }: SmokeRequest): string {
  return `${method} ${path} (${expect.status})`;
}
