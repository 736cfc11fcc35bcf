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
