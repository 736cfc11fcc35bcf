/** How a proxy is set up: every peer is given the same one. */
export interface Layout {
  readonly id: string;
  /** Addresses behind each service; 95 % of the weight is on the first half of them, 5 % on the second. */
  readonly targets: number;
  /** `svc0.test` and so on, by Host. */
  readonly services: number;
  readonly workers: number;
  readonly accessLog: boolean;
  /** `files` answers from memory and disk; `sink` reads whole uploads and echoes WebSocket messages. */
  readonly behind: 'files' | 'sink';
  /** Only peers that have an admin API to operate while the load runs. */
  readonly operated: boolean;
  /** Started anew for each measurement. */
  readonly fresh: boolean;
  /** What clients speak; targets always HTTP/1.1 in clear text. `h2` is HTTP/2 over TLS. */
  readonly protocol: 'http' | 'https' | 'h2';
}

const BASE: Layout = {
  id: 'base',
  targets: 2,
  services: 1,
  workers: 1,
  accessLog: false,
  behind: 'files',
  operated: false,
  fresh: false,
  protocol: 'http',
};

export const LAYOUTS = {
  base: BASE,
  sink: { ...BASE, id: 'sink', behind: 'sink' },
  accessLog: { ...BASE, id: 'access-log', accessLog: true },
  services100: { ...BASE, id: 'services-100', services: 100 },
  services1000: { ...BASE, id: 'services-1000', services: 1000 },
  targets100: { ...BASE, id: 'targets-100', targets: 100 },
  workers2: { ...BASE, id: 'workers-2', workers: 2 },
  idle: { ...BASE, id: 'idle', fresh: true },
  start: { ...BASE, id: 'start', fresh: true },
  https: { ...BASE, id: 'https', protocol: 'https' },
  h2: { ...BASE, id: 'h2', protocol: 'h2' },
  switched: { ...BASE, id: 'switched', operated: true },
  rollout: { ...BASE, id: 'rollout', operated: true },
} as const satisfies Record<string, Layout>;

/** Shares of the two halves of the targets. */
export const WEIGHTS = { blue: 95, green: 5 } as const;

export function hostOf(service: number): string {
  return `svc${service}.test`;
}

export function hostsOf(layout: Layout): string[] {
  return Array.from({ length: layout.services }, (_, service) => hostOf(service));
}

/** The targets' ports with their weight each. */
export function weightedPorts(ports: readonly number[]): { readonly port: number; readonly weight: number }[] {
  const half = ports.length / 2;
  return ports.map((port, i) => ({ port, weight: i < half ? WEIGHTS.blue : WEIGHTS.green }));
}
