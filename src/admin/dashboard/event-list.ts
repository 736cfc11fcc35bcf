import type { StoredEvent } from '../../store/store.ts';
import { type Html, html } from './html.ts';
import { time } from './parts.ts';

const SHOWN_CHARACTERS = 160;

/** The last events, newest first. */
export function eventList(events: readonly StoredEvent[]): Html {
  const rows = events.map(
    ({ id, at, type, service, actor, data }) =>
      html`<tr><td>${time(at)}</td><td class="n faint">${id}</td><td><code>${type}</code></td><td>${service ?? ''}</td><td>${actor}</td>
        <td class="data">${summary(data)}</td></tr>`,
  );
  return html`<section class="card" id="events" data-region aria-labelledby="events-title">
    <header><h2 id="events-title">Events</h2><span class="faint">last ${events.length}; all of them at <code>/v1/events?since=0</code></span></header>
    <div class="scroll" tabindex="0" role="region" aria-label="Last events"><table class="events"><thead><tr><th scope="col">Time (UTC)</th><th scope="col" class="n">Id</th><th scope="col">Event</th><th scope="col">Service</th><th scope="col">Actor</th><th scope="col">Data</th></tr></thead>
    <tbody>${rows.length > 0 ? rows : html`<tr><td colspan="6" class="faint">none yet</td></tr>`}</tbody></table></div></section>`;
}

function summary(data: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(data)
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
