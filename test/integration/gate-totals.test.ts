import { expect, it } from 'vitest';
import { get, openGate, openTarget } from '../support/gate.ts';

it('the totals of upstreams are those of the overview', async () => {
  await using blue = await openTarget('blue');
  await using green = await openTarget((_, response) => response.writeHead(500).end());
  const upstreams = { blue: { weight: 50, targets: [blue.url] }, green: { weight: 50, targets: [green.url] } };
  await using gate = await openGate({ services: { shop: { upstreams, stable: 'blue' }, other: only(blue.url) } });
  for (let i = 0; i < 10; i++) await get(gate.url, { headers: { host: 'shop.example.com' } });

  const trials = () => gate.control.upstreamTotals().reduce((sum, upstream) => sum + upstream.trials, 0);
  // The last is counted once it is answered.
  await expect.poll(trials).toBe(10);
  const totals = gate.control.upstreamTotals();
  const seen = Object.values(gate.control.overview().services).flatMap((service) =>
    Object.values(service.upstreams).map(({ name: upstream, requests, trials, errors }) => {
      return { service: service.name, upstream, requests, trials, errors };
    }),
  );
  expect(totals).toEqual(seen);
  expect(totals.find(({ upstream }) => upstream === 'green')?.errors).toBeGreaterThan(0);
});

function only(url: string) {
  return { hosts: ['other.example.com'], stable: 'blue', upstreams: { blue: { weight: 1, targets: [url] } } };
}
