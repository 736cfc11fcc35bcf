import { FIELD_PREFIX } from './weights.ts';

/**
 * The script of the dashboard. The server renders everything; the script fetches the page again when an event arrives
 * (and each two seconds for the counts), swaps the regions that changed, and sends the calls of the buttons. The token
 * stays in this tab's sessionStorage and travels in the Authorization field only.
 */
export const CLIENT = String.raw`
'use strict';
(() => {
  const REFRESH_MS = 2000, RETRY_MS = 3000, TOAST_MS = 6000;
  const $ = (id) => document.getElementById(id);
  const KEY = 'tealgate-token';
  let refreshing = false, again = false, lastEventId = '';
  document.documentElement.classList.add('js');

  function authorized(headers) {
    const token = sessionStorage.getItem(KEY);
    return token === null ? headers : { ...headers, authorization: 'Bearer ' + token };
  }

  async function refresh() {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: authorized({ accept: 'text/html' }) });
      if (answer.status === 401) return login();
      if (!answer.ok) throw new Error('the gate answered ' + answer.status);
      const page = await answer.text();
      // Without its head: the styles of another answer carry another nonce.
      show(new DOMParser().parseFromString(page.slice(page.indexOf('<body>')), 'text/html'));
      say(null);
    } catch {
      say('The gate does not answer. Trying again…');
    } finally {
      refreshing = false;
      if (again) { again = false; refresh(); }
    }
  }

  function show(next) {
    const names = (of) => [...of.querySelectorAll('[data-region]')].map(({ id }) => id).join(' ');
    if (names(document) !== names(next)) {
      document.querySelector('header.top').replaceWith(next.querySelector('header.top'));
      document.querySelector('main').replaceWith(next.querySelector('main'));
      return;
    }
    for (const fresh of next.querySelectorAll('[data-region]')) {
      const old = $(fresh.id);
      if (old.outerHTML === fresh.outerHTML || old.querySelector('details.actions[open]') !== null) continue;
      const focus = keyOf(old.contains(document.activeElement) ? document.activeElement : null);
      const scrolled = [...old.querySelectorAll('.scroll')].map(({ scrollLeft }) => scrollLeft);
      old.replaceWith(fresh);
      fresh.querySelectorAll('.scroll').forEach((box, i) => { box.scrollLeft = scrolled[i] ?? 0; });
      if (focus !== null) [...fresh.querySelectorAll('button, a, summary, .scroll')].find((one) => keyOf(one) === focus)?.focus();
    }
  }

  function keyOf(element) {
    return element === null ? null : (element.dataset.call ?? '') + ' ' + (element.dataset.body ?? '') + ' ' + (element.getAttribute('aria-label') ?? element.textContent);
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_MS));

  async function follow() {
    for (;;) {
      const token = sessionStorage.getItem(KEY);
      try {
        const headers = authorized({ accept: 'text/event-stream', ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }) });
        const answer = await fetch('/v1/events', { headers });
        // The same token again would be refused again.
        while (answer.status === 401 && [token, null].includes(sessionStorage.getItem(KEY))) await pause();
        if (answer.ok) for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) read(chunk);
      } catch { /* the connection broke; it is made again below */ }
      await pause();
    }
  }

  function read(chunk) {
    const ids = chunk.match(/^id: (\d+)$/gm);
    if (ids === null) return;
    lastEventId = ids.at(-1).slice(4);
    refresh();
  }

  async function call(method, path, body, headers) {
    const answer = await fetch(path, { method, headers: authorized({ 'content-type': 'application/json', ...headers }), body: JSON.stringify(body) });
    if (answer.status === 401) return login();
    const result = await answer.json();
    if (answer.ok) toast('Done.', false);
    else toast([result.detail, ...(result.problems ?? []).filter((text) => !(result.detail + ';').includes(text + ';'))].join(' '), true);
    refresh();
  }

  function confirmed(text) {
    const dialog = $('confirm');
    $('confirm-text').textContent = text;
    dialog.returnValue = '';
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
  }

  function login() {
    $('login-error').hidden = sessionStorage.getItem(KEY) === null;
    sessionStorage.removeItem(KEY);
    if (!$('login').open) $('login').showModal();
  }

  let hide;
  function toast(text, bad) {
    const box = $('toast');
    box.textContent = text;
    box.classList.toggle('bad', bad);
    box.hidden = false;
    clearTimeout(hide);
    hide = setTimeout(() => { box.hidden = true; }, TOAST_MS);
  }

  function say(text) {
    $('live').hidden = text === null;
    $('live').textContent = text ?? '';
  }

  document.addEventListener('click', async (event) => {
    const button = event.target.closest?.('[data-call]');
    if (button && await confirmed(button.dataset.confirm)) {
      call('POST', button.dataset.call, JSON.parse(button.dataset.body), {}).catch(() => toast('The gate does not answer.', true));
    }
  });

  document.addEventListener('submit', async (event) => {
    const form = event.target;
    if (form.method === 'dialog') return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    if (form.dataset.weights === undefined) {
      const token = fields.token.trim();
      form.reset();
      // What no header field can carry would look like a gate that does not answer.
      $('login-error').hidden = /^[!-~]+$/.test(token);
      if (!$('login-error').hidden) return;
      sessionStorage.setItem(KEY, token);
      $('login').close();
      start();
      return;
    }
    const weights = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.slice(${FIELD_PREFIX.length}), Number(value)]));
    const text = Object.entries(weights).map(([name, weight]) => name + ' ' + weight).join(', ');
    if (!await confirmed('Set the weights to ' + text + '?')) return;
    form.closest('details').open = false;
    call('PUT', form.dataset.weights, weights, { 'if-match': '"' + form.dataset.version + '"' }).catch(() => toast('The gate does not answer.', true));
  });

  let started = false;
  async function start() {
    await refresh();
    if (document.querySelector('main[data-locked]')) {
      if (!$('login').open) setTimeout(start, RETRY_MS);
      return;
    }
    if (started) return;
    started = true;
    follow();
    setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
  }

  if (document.querySelector('main[data-locked]') && sessionStorage.getItem(KEY) === null) login();
  else start();
})();
`;
