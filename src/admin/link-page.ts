import type { LinkedAction } from '../app/control-plane.ts';
import { type Html, html, raw } from './dashboard/html.ts';

const STYLES = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:34rem;overflow-wrap:anywhere;margin:4rem auto;padding:0 1rem}
button{font:inherit;padding:.6rem 1.4rem;cursor:pointer}
dt{font-weight:600}dd{margin:0 0 .6rem}
[hidden]{display:none}`;

/** Asks for the same URL by POST: a script of its own, so that a scanner that follows links and forms does nothing. */
const SCRIPT = `
const button = document.getElementById('do'), said = document.getElementById('said');
button.addEventListener('click', async () => {
  button.disabled = true;
  try {
    const answer = await fetch(location.href, { method: 'POST', redirect: 'error', credentials: 'same-origin' });
    const body = await answer.json();
    said.textContent = answer.ok ? 'Done: the rollout is ' + body.phase.replace('_', ' ') + '.' : body.detail;
  } catch {
    said.textContent = 'The gate did not answer.';
    button.disabled = false;
  }
});
button.hidden = false;`;

const VERBS = { promote: 'Promote', abort: 'Abort' } as const;

/** What the link would do, and a button that does it. */
export function renderLinkPage({ action, rollout, sentTo, expiresAt }: LinkedAction, nonce: string): string {
  const { service, from, to, position, group } = rollout;
  const effect =
    action === 'promote'
      ? html`<strong>${to}</strong> becomes stable and takes all new traffic; ${from} is drained.`
      : html`<strong>${from}</strong> takes all new traffic again; the rollout of ${to} ends.`;
  const body = html`<h1>${VERBS[action]} ${to} of ${service}?</h1><p>${effect}</p>
<dl><dt>Rollout</dt><dd>${rollout.id}, from ${from} to ${to}</dd>
${group !== undefined && html`<dt>Together with</dt><dd>all of group ${group.name}: ${group.services.join(', ')}</dd>`}
<dt>It is</dt><dd>${position.phase.replace('_', ' ')}${'stage' in position && html` at stage ${position.stage + 1} of ${rollout.plan.stages.length}`}</dd>
<dt>This link</dt><dd>was sent to ${sentTo}, works once, until ${new Date(expiresAt).toISOString()} or until the rollout moves on</dd></dl>
<p><button id="do" hidden>${VERBS[action]}</button></p><p id="said" role="status"></p>
<noscript><p>This page needs its script. From a terminal: <code>tealgate rollout ${action} ${group === undefined ? service : `--group ${group.name}`}</code></p></noscript>
<script nonce="${nonce}">${raw(SCRIPT)}</script>`;
  return document(body, nonce);
}

/** Why a link does nothing. */
export function renderLinkProblem(message: string, nonce: string): string {
  return document(html`<h1>Nothing was done</h1><p>${message}</p>`, nonce);
}

function document(body: Html, nonce: string): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tealgate</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><link rel="icon" href="data:,">
<style nonce="${nonce}">${raw(STYLES)}</style></head><body>${body}</body></html>
`.text;
}
