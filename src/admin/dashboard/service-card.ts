import type { LedgerView, ServiceView } from '../../app/control-plane.ts';
import { isRunning } from '../views.ts';
import { formatCount, words } from './format.ts';
import { type Html, html } from './html.ts';
import { badge } from './parts.ts';
import { rolloutPanel } from './rollout-panel.ts';
import { type UpstreamTable, upstreamTable } from './upstream-table.ts';
import { weightsBar, weightsForm } from './weights.ts';

/** Everything about one service. */
export function serviceCard(table: UpstreamTable): Html {
  const { service, operator } = table;
  const id = encodeURIComponent(service.name);
  const { name, hosts, paths, version, overrides, rollout, ledger } = service;
  return html`<article class="card" id="service-${id}" data-region aria-labelledby="name-${id}">
    <header><h2 id="name-${id}">${name}</h2><span class="faint">${hosts.length === 0 ? 'any host' : hosts.join(', ')} ${paths.join(', ')}</span>
      ${overrides.length > 0 && badge(`changed at run time: ${overrides.join(', ')}`, 'quiet')}
      <span class="faint right">version ${version}</span></header>
    <div class="split">${weightsBar(service)}${operator && weightsForm(service)}</div>
    ${upstreamTable(table)}
    ${rollout !== null && rolloutPanel(rollout, operator)}
    ${ledgerLine(ledger)}</article>`;
}

/** Every accepted request ended in one class or is in flight: the sum is shown so that anybody can check it. */
export function ledgerLine({ accepted, inFlight, outcomes }: LedgerView): Html {
  const counted = Object.entries(outcomes).filter(([, count]) => count > 0);
  const parts = counted.map(([name, count]) => `${words(name)} ${formatCount(count)}`);
  return html`<p class="ledger"><b>${formatCount(accepted)}</b> accepted = ${[...parts, `in flight ${formatCount(inFlight)}`].join(' + ')}</p>`;
}

/** Running rollouts first, then by name. */
export function inOrderOfInterest(services: readonly ServiceView[]): readonly ServiceView[] {
  const rank = ({ rollout }: ServiceView) => (isRunning(rollout) ? 0 : 1);
  return services.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}
