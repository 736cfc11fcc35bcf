import type { Overview } from '../../app/control-plane.ts';
import { VERSION } from '../../platform/version.ts';
import type { Identity } from '../auth.ts';
import { formatDuration } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, time } from './parts.ts';
import { ledgerLine } from './service-card.ts';

export interface HeaderView {
  readonly overview: Overview;
  readonly ready: boolean;
  readonly identity: Identity;
  readonly nowMs: number;
}

/** Two leaves of a gate, one blue and one green. */
const LOGO = html`<svg class="logo" viewBox="0 0 24 24" width="26" height="26" aria-hidden="true"><path class="c-blue" d="M3 4h7v16H3z"/><path class="c-green" d="M14 4h7v16h-7z"/><path class="beam" d="M1 2h22v2H1z"/></svg>`;

/** The gate as a whole: version, configuration, workers, and what reached no service. */
export function header({ overview, ready, identity, nowMs }: HeaderView): Html {
  return html`<header class="top" id="top" data-region><h1>${LOGO}Tealgate <small>${VERSION}</small></h1>
    <dl><div><dt>Gate</dt><dd>${ready ? badge('ready', 'good') : badge('not ready', 'bad')}</dd></div>
    <div><dt>Configuration</dt><dd>${configState(overview)}</dd></div>
    <div><dt>Workers</dt><dd>${workersState(overview)}</dd></div>
    <div><dt>Snapshot</dt><dd>${overview.version}</dd></div>
    <div><dt>Up</dt><dd>${formatDuration(nowMs - overview.startedAt)}</dd></div>
    <div><dt>You are</dt><dd>${identity.actor} (${identity.role})</dd></div></dl>
    ${configErrors(overview)}</header>`;
}

/** Requests that reached no service; shown once there are any. */
export function unrouted({ unrouted: ledger }: Overview): Html {
  return html`<section id="unrouted" data-region aria-label="Requests that reached no service">${
    ledger.accepted > 0 && html`<p class="faint">No service:</p>${ledgerLine(ledger)}`
  }</section>`;
}

export function logo(): Html {
  return LOGO;
}

function configState({ config }: Overview): Html {
  if (!config.lastReloadSuccessful) return badge('last reload refused', 'bad');
  return html`${badge('ok', 'good')} <span class="faint" title="${config.path}">loaded ${time(config.loadedAt)}</span>`;
}

function configErrors({ config }: Overview): Html | null {
  if (config.lastReloadSuccessful) return null;
  return html`<details class="errors" open id="config-errors"><summary>${config.path} was refused; the configuration of ${time(config.loadedAt)} is in force</summary>
    <pre>${config.errors.join('\n')}</pre></details>`;
}

function workersState({ workers }: Overview): Html {
  const serving = workers.filter(({ state }) => state === 'serving').length;
  const restarts = workers.reduce((sum, worker) => sum + worker.restarts, 0);
  const tone = serving === workers.length ? 'good' : serving === 0 ? 'bad' : 'warn';
  return html`${badge(`${serving} of ${workers.length} serving`, tone)} ${restarts > 0 && html`<span class="faint">${restarts} restarts</span>`}`;
}
