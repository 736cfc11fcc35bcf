import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openAdmin, type TestAdmin, until } from '../support/admin.ts';
import { FAKE_LINK } from '../support/fake-control-plane.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];

describe.skipIf(CHROMIUM === undefined)('the dashboard in a browser', () => {
  let browser: Browser;
  let admin: TestAdmin;
  /** What the page complained about, its own security policy included. */
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ARGUMENTS });
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await admin.close();
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(config: Parameters<typeof openAdmin>[0] = {}, script = true): Promise<Page> {
    admin = await openAdmin(config);
    const page = await (await browser.newContext({ javaScriptEnabled: script })).newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`http://127.0.0.1:${admin.port}/`);
    return page;
  }

  it('follows what happens without being asked', async () => {
    const page = await open();
    await admin.gate.setWeights('shop', { blue: 70, green: 30 }, { actor: 'ops' });
    await page.getByText('green 30 %').waitFor();
    await page.getByRole('cell', { name: 'weights.changed' }).waitFor();
  });

  it('sends a command after asking, and says how it went', async () => {
    const page = await open();
    const row = page.getByRole('row', { name: 'green' }).first();
    await row.getByRole('button', { name: 'Switch' }).click();
    await page.getByText('Send all new traffic of shop to green?').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(admin.gate.events(0)).toEqual([]);
    await row.getByRole('button', { name: 'Switch' }).click();
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.getByText('green 100 %').waitFor();
    await page.getByText('Done.').waitFor();
    expect(admin.gate.events(0)).toMatchObject([{ type: 'traffic.switched', actor: 'loopback' }]);
  });

  it('does what a signed link is for when its button is pressed, and nothing before', async () => {
    const page = await open();
    await admin.gate.startRollout('shop', 'green', {}, { actor: 'ops' });
    const before = admin.gate.events(0);
    await page.goto(`http://127.0.0.1:${admin.port}/v1/links/promote?signature=${FAKE_LINK}`);
    await page.getByRole('heading', { name: 'Promote green of shop?' }).waitFor();
    expect(admin.gate.events(0)).toEqual(before);
    await page.getByRole('button', { name: 'Promote' }).click();
    await page.getByText('Done: the rollout is').waitFor();
    expect(admin.gate.events(0).at(-1)).toMatchObject({ type: 'rollout.promote', actor: 'link:chat' });
    await page.goto(`http://127.0.0.1:${admin.port}/v1/links/promote?signature=another`);
    await page.getByRole('heading', { name: 'Nothing was done' }).waitFor();
    expect(complaints.splice(0)).toEqual([expect.stringContaining('403')]);
  });

  it('shows why a command was refused', async () => {
    const page = await open();
    admin.gate.setHealth('shop', 'green', 'unhealthy');
    await page.getByRole('row', { name: 'green' }).first().getByRole('button', { name: 'Switch' }).click();
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.getByText('green has no healthy target').waitFor();
    // The browser itself notes each answer of 4xx.
    expect(complaints.splice(0)).toEqual([expect.stringContaining('409')]);
  });

  it('sets weights, and does not overwrite what others changed meanwhile', async () => {
    const page = await open();
    const set = async (green: string) => {
      await page.getByLabel('green', { exact: true }).fill(green);
      await page.getByRole('button', { name: 'Set', exact: true }).click();
      await page.getByRole('button', { name: 'Yes' }).click();
    };
    await page.getByText('Set weights').click();
    await admin.gate.setWeights('shop', { green: 1 }, { actor: 'ops' });
    await set('25');
    await page.getByText('the service is at version 2').waitFor();
    expect(complaints.splice(0)).toEqual([expect.stringContaining('412')]);
    await until(() => admin.gate.service('shop').upstreams.green?.weight === 1);
    await page.getByText('green 0.99 %').waitFor();
    await page.getByText('Set weights').click();
    await set('25');
    await page.getByText('green 20 %').waitFor();
  });

  it('sets weights of upstreams that are named like properties of a form', async () => {
    const page = await open();
    admin.gate.addService('odd', { dataset: ['http://127.0.0.1:1'], closest: ['http://127.0.0.1:2'] });
    await page.goto(`http://localhost:${admin.port}/?service=odd`);
    await page.getByText('Set weights').click();
    await page.getByLabel('closest', { exact: true }).fill('7');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByRole('button', { name: 'Yes' }).click();
    await until(() => admin.gate.service('odd').upstreams.closest?.weight === 7);
  });

  it('asks for a token where one is needed, keeps it for the tab, and shows nothing before', async () => {
    const page = await open({ tokens: [{ name: 'alice', token: 'open-sesame', role: 'viewer' }] });
    await page.getByRole('textbox', { name: 'Token' }).waitFor();
    expect(await page.content()).not.toContain('shop');
    await page.getByRole('textbox', { name: 'Token' }).fill('wrong');
    await page.getByRole('textbox', { name: 'Token' }).press('Enter');
    await page.getByText('This token is not known.').waitFor();
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
    await page.getByRole('textbox', { name: 'Token' }).fill('open-sesame');
    await page.getByRole('textbox', { name: 'Token' }).press('Enter');
    await page.getByText('alice (viewer)').waitFor();
    expect(await page.getByRole('button', { name: 'Switch' }).count()).toBe(0);
    await page.reload();
    await page.getByText('alice (viewer)').waitFor();
    expect(await page.evaluate('localStorage.length + document.cookie.length')).toBe(0);
  });

  it('asks again for a token that no gate can have, and takes one with blanks around it', async () => {
    const page = await open({ tokens: [{ name: 'alice', token: 'open-sesame', role: 'viewer' }] });
    const token = page.getByRole('textbox', { name: 'Token' });
    await token.fill('öpen€sesame');
    await token.press('Enter');
    await page.getByText('This token is not known.').waitFor();
    await token.fill(' open-sesame ');
    await token.press('Enter');
    await page.getByText('alice (viewer)').waitFor();
  });

  it('follows events again with another token when one is not taken any more', async () => {
    const tokens = ['old', 'new'].map((name) => ({ name, token: `open-sesame-${name}`, role: 'viewer' as const }));
    const page = await open({ tokens });
    const refusedOnce = page.waitForResponse((answer) => answer.status() === 401);
    await page.route('**/v1/events', (route) => route.fulfill({ status: 401 }), { times: 1 });
    await page.getByRole('textbox', { name: 'Token' }).fill('open-sesame-old');
    await page.getByRole('textbox', { name: 'Token' }).press('Enter');
    await refusedOnce;
    const again = page.waitForRequest('**/v1/events');
    await page.evaluate('sessionStorage.setItem("tealgate-token", "open-sesame-new")');
    expect((await again).headers().authorization).toBe('Bearer open-sesame-new');
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
  });

  it('tries again by itself when the gate did not answer at first', async () => {
    const page = await open({ tokens: [{ name: 'alice', token: 'open-sesame', role: 'viewer' }] });
    await page.evaluate('sessionStorage.setItem("tealgate-token", "open-sesame")');
    await page.route('**/', (route) => (route.request().resourceType() === 'fetch' ? route.abort() : route.continue()));
    await page.reload();
    await page.getByText('The gate does not answer. Trying again…').waitFor();
    await page.unroute('**/');
    await page.getByText('alice (viewer)').waitFor();
    expect(await page.getByText('The gate does not answer').isVisible()).toBe(false);
    for (const complaint of complaints.splice(0)) expect(complaint).toContain('net::ERR_FAILED');
  });

  it('can be read without script, and offers no button that would do nothing', async () => {
    const page = await open({}, false);
    expect(await page.getByText('blue 100 %').isVisible()).toBe(true);
    expect(await page.getByRole('button').filter({ visible: true }).count()).toBe(0);
  });

  it('fits a phone, with nothing out of reach', async () => {
    const page = await open();
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });

  it('fits a phone also with the longest names', async () => {
    const page = await open();
    const [name, stable, candidate] = ['s', 'b', 'g'].map((letter) => letter.repeat(63)) as [string, string, string];
    admin.gate.addService(name, { [stable]: ['http://127.0.0.1:1'], [candidate]: ['http://127.0.0.1:2'] });
    await admin.gate.startRollout(name, candidate, {}, { actor: 'ops' });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`http://localhost:${admin.port}/?service=${name}`);
    await page.getByText('Set weights').click();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await page.getByRole('button', { name: 'Promote' }).click();
    expect(await page.evaluate('document.querySelector("#confirm").scrollWidth')).toBeLessThan(360);
  });

  it('can be worked with the keyboard alone', async () => {
    const page = await open();
    const focused = () => page.evaluate('document.activeElement.textContent.trim()');
    const reached: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      reached.push(await focused());
    }
    expect(reached).toEqual(expect.arrayContaining(['Set weights', 'Switch', 'Drain', 'Roll out']));
  });
});
