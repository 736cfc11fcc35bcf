import { describe, expect, it } from 'vitest';
import { TrafficSamples } from '../../src/admin/traffic-samples.ts';
import { FakeControlPlane } from '../support/fake-control-plane.ts';

describe('traffic samples', () => {
  it('know nothing before two samples', () => {
    const samples = new TrafficSamples();
    const gate = new FakeControlPlane();
    expect(samples.of('shop', 'blue').perSecond).toBeNull();
    samples.sample(gate.upstreamTotals(), 0);
    expect(samples.of('shop', 'blue')).toMatchObject({ perSecond: null, errorShare: null, requestsCurve: [] });
  });

  it('tell the rate of the last step and the errors of the window', () => {
    const samples = new TrafficSamples();
    const gate = new FakeControlPlane();
    samples.sample(gate.upstreamTotals(), 0);
    for (let i = 0; i < 10; i++) gate.count('shop', 'blue', i === 0 ? { code: 500 } : {});
    samples.sample(gate.upstreamTotals(), 2000);
    for (let i = 0; i < 30; i++) gate.count('shop', 'blue');
    samples.sample(gate.upstreamTotals(), 4000);
    expect(samples.of('shop', 'blue')).toEqual({
      perSecond: 15,
      errorShare: 1 / 40,
      requestsCurve: [5, 15],
      errorsCurve: [0.1, 0],
    });
  });

  it('keep two minutes at most, and forget upstreams that are gone', () => {
    const samples = new TrafficSamples();
    const gate = new FakeControlPlane();
    for (let i = 0; i < 200; i++) samples.sample(gate.upstreamTotals(), i * 2000);
    expect(samples.of('shop', 'blue').requestsCurve).toHaveLength(60);
    samples.sample([], 400_000);
    expect(samples.of('shop', 'blue').requestsCurve).toHaveLength(0);
  });

  it('begin anew when an upstream of the same name starts from zero', () => {
    const samples = new TrafficSamples();
    const before = new FakeControlPlane();
    for (let i = 0; i < 10; i++) before.count('shop', 'blue');
    samples.sample(before.upstreamTotals(), 0);
    samples.sample(new FakeControlPlane().upstreamTotals(), 2000);
    expect(samples.of('shop', 'blue').perSecond).toBeNull();
  });
});
