import { isDeepStrictEqual } from 'node:util';
import type { TargetTls } from '../../platform/tls.ts';
import type {
  HealthConfig,
  OutliersConfig,
  PinsConfig,
  PreviewConfig,
  ServiceConfig,
  UpstreamConfig,
} from '../config.ts';
import { formatDuration, formatPercent } from '../units.ts';
import { changed, durations, given, keyed, listed, onOff } from './lines.ts';
import { planLines } from './plan.ts';

/** What changes of a service, without its name. */
export function serviceLines(before: ServiceConfig, after: ServiceConfig): string[] {
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
export function targetTlsLines(before: TargetTls, after: TargetTls): string[] {
  const isNewPair = before.cert !== after.cert || before.key !== after.key;
  return [
    ...(before.ca === after.ca ? [] : [given('authorities', before.ca, after.ca)]),
    ...(isNewPair ? [given('client certificate', before.cert, after.cert)] : []),
    ...changed('server name', before.serverName ?? 'of the URL', after.serverName ?? 'of the URL'),
    ...changed('verification', onOff(before.verify), onOff(after.verify)),
  ];
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
