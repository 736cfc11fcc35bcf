import { WeightedPicker } from '../../src/traffic/weighted-picker.ts';
import type { NodeServerOptions } from '../peers/node-peers.ts';

/** The same even weighted split for every Node.js peer, so that only the proxying differs. One sequence per host. */
export function portsByHost(options: NodeServerOptions): (host: string | undefined) => number | null {
  const items = options.targets.map(({ port, weight }) => ({ item: port, weight }));
  const pickers = new Map(options.hosts.map((host) => [host, new WeightedPicker(items)]));
  return (host) => pickers.get(host ?? '')?.next() ?? null;
}
