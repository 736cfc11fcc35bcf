import { describe, expect, it } from 'vitest';
import { type PageView, renderLocked, renderPage } from '../../src/admin/dashboard/page.ts';
import { TrafficSamples } from '../../src/admin/traffic-samples.ts';
import { FakeControlPlane } from '../support/fake-control-plane.ts';

const EVIDENCE = {
  guard: 'errorRate',
  kind: 'errorRate',
  verdict: 'inconclusive',
  trials: 200,
  errors: 6,
  max: 0.01,
  confidence: 0.99,
  logE: 2.3,
  logThreshold: 4.6,
  summary: '6 of 200 requests failed; allowed is 1 %',
} as const;

function render(gate: FakeControlPlane, change: Partial<PageView> = {}): string {
  return renderPage({
    overview: gate.overview(),
    ready: gate.ready(),
    events: gate.events(0).toReversed(),
    samples: new TrafficSamples(),
    identity: { actor: 'ci', role: 'operator' },
    only: null,
    nowMs: gate.now,
    nonce: 'n0nce',
    ...change,
  });
}

/** Text as a reader without script sees it. */
function visible(page: string): string {
  return page
    .replace(/<(style|script)[^>]*>.*?<\/\1>/gs, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    .replace(/\s+/g, ' ');
}

describe('the dashboard', () => {
  it('can be read without its script: weights, upstreams, targets, probes, ledger, events', async () => {
    const gate = new FakeControlPlane();
    await gate.setWeights('shop', { blue: 95, green: 5 }, { actor: 'ops' });
    gate.count('shop', 'blue');
    gate.hold('shop', 'green', 2);
    const text = visible(render(gate));
    expect(text).toContain('blue 95 % green 5 %');
    expect(text).toContain('http://127.0.0.1:4001 healthy');
    expect(text).toContain('200 1.8 ms, 1 s ago');
    expect(text).toContain('3 accepted = ok 1 + in flight 2');
    expect(text).toMatch(/weights\.changed shop ops/);
    expect(text).toContain('2 of 2 serving 2 restarts');
    expect(render(gate)).toContain('<noscript><meta http-equiv="refresh" content="5"></noscript>');
  });

  it('shows a rollout: phase, stages with the hold that remains, evidence, transitions with reasons', async () => {
    const gate = new FakeControlPlane();
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    gate.moveRollout('shop', { phase: 'progressing', stage: 1, heldMs: 200_000 }, 'stage 1 held', {
      guards: [EVIDENCE],
    });
    const page = render(gate);
    const text = visible(page);
    expect(text).toContain('blue → green progressing canary');
    expect(text).toMatch(/5 % 30 min 25 % 6 min 40 s left of 10 min 50 % 10 min 100 % no hold/);
    expect(text).toContain(EVIDENCE.summary);
    expect(page).toContain('aria-label="Evidence 2.30 of 4.60 at which it is rolled back"');
    expect(page).toMatch(/<rect class="good" width="50(\.0+\d*)?"/);
    expect(text).toMatch(/progressing → progressing \(stage 2\) stage 1 held tealgate/);
    expect(text).toMatch(/pending → progressing \(stage 1\) started ci/);
  });

  it('says what a rollout waits for and how long, and operates those that go together as one', async () => {
    const gate = new FakeControlPlane();
    const { plan } = await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const paused = {
      phase: 'paused',
      stage: 1,
      heldMs: 600_000,
      reason: 'inconclusive',
      sinceAt: 1,
      waitedMs: 60_000,
    } as const;
    gate.moveRollout('shop', paused, 'inconclusive', {
      plan: { ...plan, deadlineMs: 120_000, onDeadline: 'rollback' },
      group: { name: 'release', id: 'g1', services: ['shop', 'cart'] },
    });
    const page = render(gate);
    const text = visible(page);
    expect(text).toContain('A guard has no verdict.');
    expect(text).toContain('1 min to the deadline, then rollback');
    expect(text).toContain('group release: shop, cart');
    const calls = [...page.matchAll(/data-call="([^"]*rollouts[^"]*)"/g)].map(([, path]) => path);
    expect(calls).toEqual(
      ['promote', 'resume', 'abort'].map((action) => `/v1/groups/release/rollouts/current/${action}`),
    );
  });

  it('offers to promote or abort a shadow that is over, and not to resume it', async () => {
    const gate = new FakeControlPlane();
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    gate.moveRollout('shop', { phase: 'paused', stage: 0, heldMs: 0, reason: 'shadowed', sinceAt: 1 }, 'shadowed');
    const page = render(gate);
    expect(visible(page)).toContain('The copies are done');
    const calls = [...page.matchAll(/data-call="[^"]*current\/(\w+)"/g)].map(([, action]) => action);
    expect(calls).toEqual(['promote', 'abort']);
  });

  it('says that a drain which takes too long is left to itself', async () => {
    const gate = new FakeControlPlane();
    const { plan } = await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const draining = { phase: 'draining', stage: 3, sinceAt: 1, waitedMs: 60_000 } as const;
    gate.moveRollout('shop', draining, 'switched', { plan: { ...plan, deadlineMs: 120_000, onDeadline: 'rollback' } });
    expect(visible(render(gate))).toContain('1 min to the deadline, then the old side is left to itself');
  });

  it('shows a first stage behind a gate as one that has not begun', async () => {
    const gate = new FakeControlPlane();
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const waiting = { phase: 'paused', stage: 0, heldMs: 0, reason: 'gate', sinceAt: 1, unbegun: true } as const;
    gate.moveRollout('shop', waiting, 'gate');
    const page = render(gate);
    expect(page).toMatch(/<li class="ahead" aria-current="step"><b>5 %/);
    expect(visible(page)).toMatch(/5 % 30 min 25 %/);
  });

  it('offers nothing while traffic returns to stable, and says how much is left', async () => {
    const gate = new FakeControlPlane();
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const back = {
      weight: 20,
      fromWeight: 50,
      returnedMs: 10,
      end: 'aborted',
      reason: 'operator',
      actor: 'ci',
    } as const;
    gate.moveRollout('shop', { phase: 'returning', stage: 2, sinceAt: 1, ...back }, 'operator');
    const page = render(gate);
    expect(visible(page)).toContain('20 % of the traffic is still to return');
    expect(page).not.toContain('/rollouts/current/');
  });

  it('offers what can be done now, to operators only', async () => {
    const gate = new FakeControlPlane();
    const labels = (page: string) =>
      [...page.matchAll(/<button[^>]*data-call[^>]*>([^<]+)</g)].map(([, label]) => label);
    expect(labels(render(gate))).toEqual(['Drain', 'Roll out', 'Switch', 'Drain']);
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    expect(labels(render(gate))).toEqual(expect.arrayContaining(['Promote', 'Pause', 'Abort']));
    expect(labels(render(gate))).not.toContain('Roll out');
    await gate.operateRollout('shop', 'pause', { actor: 'ci' });
    expect(labels(render(gate))).toContain('Resume');
    await gate.operateRollout('shop', 'promote', { actor: 'ci' });
    expect(labels(render(gate))).toContain('Undo');
    const viewer = { actor: 'wall', role: 'viewer' } as const;
    const page = render(gate, { identity: viewer });
    expect(labels(page)).toEqual([]);
    expect(page).not.toContain('data-weights');
  });

  it('shows what is wrong with a refused configuration', async () => {
    const gate = new FakeControlPlane();
    gate.nextReload = { lastReloadSuccessful: false, errors: ['tealgate.yaml:3:1 services: is missing'] };
    await gate.reload({ actor: 'ci' });
    expect(visible(render(gate))).toMatch(/was refused; .* tealgate\.yaml:3:1 services: is missing/);
  });

  it('escapes every value, wherever it comes from', () => {
    const gate = new FakeControlPlane();
    const hostile = `"><script>alert(1)</script>'\``;
    gate.addService(hostile, { [hostile]: [`http://${hostile}`] });
    gate.setHealth(hostile, hostile, 'unhealthy');
    gate.emit(hostile, hostile, hostile, { [hostile]: hostile });
    const page = render(gate, { identity: { actor: hostile, role: 'operator' } });
    expect(page).not.toContain('alert(1)</script>');
    expect(page).not.toContain('"><script');
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(visible(page)).toContain(hostile);
  });

  it('has no inline style, handler or script without the nonce, which its policy would refuse', () => {
    const page = render(new FakeControlPlane());
    expect(page).not.toMatch(/\sstyle=|\son[a-z]+=/);
    expect(page.match(/<(style|script)/g)).toEqual(['<style', '<script']);
    expect(page.match(/<(style|script) nonce="n0nce">/g)).toHaveLength(2);
  });

  it('names every table, field and image for those who do not see them', () => {
    const page = render(new FakeControlPlane());
    for (const [svg] of page.matchAll(/<svg[^>]*>/g)) expect(svg).toMatch(/aria-label="|aria-hidden="true"/);
    for (const [input] of page.matchAll(/<label>[^<]*<input[^>]*>|<input[^>]*>/g)) expect(input).toMatch(/^<label>/);
    expect(page).toContain('<html lang="en">');
    for (const [th] of page.matchAll(/<th\b[^>]*>/g)) expect(th).toContain('scope=');
  });

  it('shows one service when asked, and twenty at most', () => {
    const gate = new FakeControlPlane();
    for (let i = 0; i < 40; i++) gate.addService(`s${i}`, { blue: ['http://127.0.0.1:1'] });
    const cards = (page: string) => page.match(/<article/g)?.length ?? 0;
    expect(cards(render(gate))).toBe(20);
    expect(cards(render(gate, { only: 's39' }))).toBe(1);
    expect(visible(render(gate, { only: 'nobody' }))).toContain('No such service');
    expect(render(gate)).toContain('href="/?service=s39"');
  });

  it('tells a browser without a token nothing of the gate', () => {
    const page = renderLocked('n0nce');
    expect(visible(page)).not.toMatch(/shop|blue|0\.1\.0/);
    expect(page).toContain('data-locked');
  });
});
