import type { ServiceView, TargetView, UpstreamView } from '../../app/control-plane.ts';
import type { TrafficSamples } from '../traffic-samples.ts';
import { isRunning } from '../views.ts';
import { formatCount, formatDuration, formatLatency, formatRate, formatShare } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, type CallButton, callButton, colour, type Tone } from './parts.ts';
import { sparkline } from './sparkline.ts';

export interface UpstreamTable {
  readonly service: ServiceView;
  readonly samples: TrafficSamples;
  readonly nowMs: number;
  readonly operator: boolean;
}

/** Upstreams, and beneath each its targets. */
export function upstreamTable(table: UpstreamTable): Html {
  const { service, operator } = table;
  const groups = Object.values(service.upstreams).map((upstream, index) => group(upstream, index, table));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Upstreams of ${service.name}"><table>
    <thead><tr><th scope="col">Upstream</th><th scope="col">State</th><th scope="col" class="n">Weight</th>
    <th scope="col" class="n">In flight</th><th scope="col" class="n">Upgrades</th><th scope="col" class="n">Pins</th>
    <th scope="col" class="n">Req/s</th><th scope="col" class="n">Errors</th><th scope="col" class="n" title="Of the last minute">p50</th>
    <th scope="col" class="n" title="Of the last minute">p99</th><th scope="col">Last probe</th>${operator && html`<th scope="col" class="actions"><span class="hidden">Actions</span></th>`}</tr></thead>
    ${groups}</table></div>`;
}

function group(upstream: UpstreamView, index: number, table: UpstreamTable): Html {
  const { service, samples, nowMs, operator } = table;
  const traffic = samples.of(service.name, upstream.name);
  const shade = colour(upstream.name, index);
  const requests = {
    points: traffic.requestsCurve,
    least: 1,
    colour: shade,
    label: 'Requests per second, last 2 minutes',
  };
  const errors = {
    points: traffic.errorsCurve,
    least: 0.05,
    colour: traffic.errorsCurve.some((share) => share > 0) ? 'c-bad' : '',
    label: 'Share of errors, last 2 minutes',
  };
  const { recentLatencyMs: recent } = upstream;
  return html`<tbody><tr class="upstream"><th scope="row"><i class="dot ${shade}"></i>${upstream.name}
    ${upstream.role !== 'idle' && html`<span class="role ${upstream.role}">${upstream.role}</span>`}</th>
    <td>${upstreamState(upstream, nowMs)}</td><td class="n">${upstream.weight}</td>
    <td class="n">${formatCount(upstream.inFlight)}</td><td class="n">${formatCount(upstream.upgrades)}</td>
    <td class="n">${formatCount(upstream.pins)}</td>
    <td class="n curve">${sparkline(requests)}<span>${formatRate(traffic.perSecond)}</span></td>
    <td class="n curve">${sparkline(errors)}<span class="${tint(traffic.errorShare)}">${formatShare(traffic.errorShare)}</span></td>
    <td class="n">${recent === null ? '–' : formatLatency(recent.p50)}</td>
    <td class="n">${recent === null ? '–' : formatLatency(recent.p99)}</td><td></td>
    ${operator && html`<td class="actions">${upstreamButtons(service, upstream)}</td>`}</tr>
    ${upstream.targets.map((target) => targetRow(target, nowMs, operator))}</tbody>`;
}

function targetRow(target: TargetView, nowMs: number, operator: boolean): Html {
  const failed = target.attempts === 0 ? null : target.failures / target.attempts;
  return html`<tr class="target"><th scope="row">${target.url}</th><td>${targetState(target, nowMs)}</td><td></td>
    <td class="n">${formatCount(target.inFlight)}</td><td class="n">${formatCount(target.upgrades)}</td><td></td>
    <td class="n" title="Open connections">${formatCount(target.connections)} conn.</td>
    <td class="n" title="Failed attempts since the start"><span class="${tint(failed)}">${formatShare(failed)}</span></td>
    <td></td><td></td><td class="probe">${lastProbe(target, nowMs)}</td>${operator && html`<td class="actions"></td>`}</tr>`;
}

function upstreamState({ admin, drain, warm }: UpstreamView, nowMs: number): Html {
  if (warm !== undefined) return badge(`warm, ${formatDuration(warm.leftMs)} left`, 'warn');
  if (admin === 'enabled') return badge('enabled', 'quiet');
  if (drain === null || drain.drained) return badge('drained', 'quiet');
  const leftMs = drain.deadlineAt - nowMs;
  return badge(leftMs > 0 ? `draining, ${formatDuration(leftMs)} left` : 'draining', 'warn');
}

const HEALTH: Readonly<Record<TargetView['health'], Tone>> = {
  healthy: 'good',
  trusted: 'quiet',
  unknown: 'warn',
  unhealthy: 'bad',
};

/** Health, admin state and ejection: three facts, shown as three. */
function targetState({ health, admin, ejection }: TargetView, nowMs: number): Html {
  const until = ejection.untilAt === null ? '' : `, ${formatDuration(ejection.untilAt - nowMs)}`;
  return html`${badge(health, HEALTH[health])}${admin !== 'enabled' && badge(admin, 'warn')}${
    ejection.ejected && badge(`ejected${until}`, 'bad')
  }`;
}

function lastProbe({ probes }: TargetView, nowMs: number): Html {
  const [probe] = probes;
  if (probe === undefined) return html`<span class="faint">none</span>`;
  const answer = probe.status === null ? 'no answer' : String(probe.status);
  const what = probe.ok ? answer : `${answer}: ${probe.detail}`;
  return html`<span class="${probe.ok ? '' : 'bad'}">${what}</span>
    <span class="faint">${formatLatency(probe.durationMs)}, ${formatDuration(nowMs - probe.at)} ago</span>`;
}

function upstreamButtons(service: ServiceView, upstream: UpstreamView): readonly Html[] {
  const { name, admin, pins } = upstream;
  const base = `/v1/services/${encodeURIComponent(service.name)}`;
  const path = (action: string) => `${base}/upstreams/${encodeURIComponent(name)}/${action}`;
  const buttons: CallButton[] = [];
  if (service.stable !== name && !isRunning(service.rollout)) {
    const confirm = `Start a rollout of ${service.name} to ${name}, as configured?`;
    buttons.push({ label: 'Roll out', path: `${base}/rollouts`, body: { to: name }, confirm });
  }
  if (!hasAllTraffic(service, upstream)) {
    const confirm = `Send all new traffic of ${service.name} to ${name}? The others drain.`;
    buttons.push({ label: 'Switch', path: `${base}/switch`, body: { to: name }, confirm });
  }
  if (admin === 'draining') {
    buttons.push({ label: 'Enable', path: path('enable'), confirm: `Take ${name} of ${service.name} back in?` });
  } else {
    const confirm = `Send no more requests to ${name} of ${service.name}, pinned or not?`;
    buttons.push({ label: 'Drain', path: path('drain'), confirm });
  }
  if (pins > 0) {
    buttons.push({ label: 'Evict', path: path('evict'), confirm: `Break all pins to ${name} of ${service.name}?` });
  }
  return buttons.map(callButton);
}

function hasAllTraffic({ upstreams }: ServiceView, { name, weight }: UpstreamView): boolean {
  return weight > 0 && Object.values(upstreams).every((other) => other.name === name || other.weight === 0);
}

function tint(errorShare: number | null): string {
  if (errorShare === null || errorShare === 0) return '';
  return errorShare < 0.01 ? 'warn' : 'bad';
}
