import type { Overview } from '../../app/control-plane.ts';
import type { StoredEvent } from '../../store/store.ts';
import type { Identity } from '../auth.ts';
import type { TrafficSamples } from '../traffic-samples.ts';
import { CLIENT } from './client.ts';
import { eventList } from './event-list.ts';
import { header, logo, unrouted } from './header.ts';
import { type Html, html, raw } from './html.ts';
import { inOrderOfInterest, serviceCard } from './service-card.ts';
import { serviceIndex } from './service-index.ts';
import { STYLES } from './styles.ts';

export interface PageView {
  readonly overview: Overview;
  readonly ready: boolean;
  /** Newest first. */
  readonly events: readonly StoredEvent[];
  readonly samples: TrafficSamples;
  readonly identity: Identity;
  /** Name of the one service to show; null for all. */
  readonly only: string | null;
  /** Since the Unix epoch. */
  readonly nowMs: number;
  readonly nonce: string;
}

/** Cards on one page; further services are a link away. */
const MOST_CARDS = 20;
/** How often a page without its script reads itself again. */
const RELOAD_S = 5;

/** The dashboard, whole and readable without its script. */
export function renderPage(view: PageView): string {
  const { overview, only, identity, samples, nowMs, nonce } = view;
  const all = inOrderOfInterest(Object.values(overview.services));
  const shown = only === null ? all.slice(0, MOST_CARDS) : all.filter(({ name }) => name === only);
  const operator = identity.role === 'operator';
  const cards = shown.map((service) => serviceCard({ service, samples, nowMs, operator }));
  const body = html`${header(view)}<main>
    ${all.length > 1 && serviceIndex(all, only)}
    ${cards.length > 0 ? cards : html`<p class="faint">No such service is configured.</p>`}
    ${unrouted(overview)}${eventList(view.events)}</main>`;
  return page(body, nonce).text;
}

/** What a browser gets that has shown no token: a form for one, and nothing of the gate. */
export function renderLocked(nonce: string): string {
  const body = html`<header class="top" id="top"><h1>${logo()}Tealgate</h1></header><main data-locked>
    <noscript><p>This gate asks for a token, which this page can send with its script only.</p></noscript></main>`;
  return page(body, nonce).text;
}

/** The page runs its own script and style and nothing else, and no other page can frame it. */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function page(body: Html, nonce: string): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tealgate</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%233b82f6' d='M3 4h7v16H3z'/%3E%3Cpath fill='%2322a06b' d='M14 4h7v16h-7z'/%3E%3Cpath fill='%230d9488' d='M1 2h22v2H1z'/%3E%3C/svg%3E">
<noscript><meta http-equiv="refresh" content="${RELOAD_S}"></noscript>
<style nonce="${nonce}">${raw(STYLES)}</style></head>
<body>${body}
<p class="live" id="live" role="status" aria-live="polite" hidden></p>
<div class="toast" id="toast" role="status" aria-live="assertive" hidden></div>
<dialog id="confirm" aria-labelledby="confirm-text"><p id="confirm-text"></p><form method="dialog"><button value="">Cancel</button><button value="yes" class="primary">Yes</button></form></dialog>
<dialog id="login" aria-labelledby="login-title"><form><h2 id="login-title">This gate asks for a token</h2>
<label>Token <input type="password" name="token" autocomplete="off" required></label><p class="error" id="login-error" role="alert" hidden>This token is not known.</p><p class="faint">It is kept in this tab only.</p><button class="primary">Show the dashboard</button></form></dialog>
<script nonce="${nonce}">${raw(CLIENT)}</script></body></html>
`;
}
