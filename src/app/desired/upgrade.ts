import { upgradeRollout } from '../../rollout/stored.ts';

/** What the store held, with rollouts of older versions in today's form; the very same value where there are none. */
export function upgrade(value: unknown): unknown {
  if (!isMap(value) || !isMap(value.services)) return value;
  const before = value.services;
  const services = Object.entries(before).map(([name, service]) => [name, upgradeService(service)] as const);
  if (services.every(([name, service]) => service === before[name])) return value;
  return { ...value, services: Object.fromEntries(services) };
}

function upgradeService(service: unknown): unknown {
  if (!isMap(service) || !Array.isArray(service.rollouts)) return service;
  const stored: readonly unknown[] = service.rollouts;
  const rollouts = stored.map(upgradeRollout);
  return rollouts.every((rollout, i) => rollout === stored[i]) ? service : { ...service, rollouts };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
