import { parseArgs } from 'node:util';
import { PEERS } from './peers/all.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

export interface BenchOptions {
  /** Names the results. */
  readonly name: string;
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly string[];
  readonly rounds: number;
  /** Of each measurement, whole seconds. */
  readonly seconds: number;
  /** Of each scenario on each peer that has a just-in-time compiler; scenarios of one layout warm each other up. */
  readonly warmUpSeconds: number;
  /**
   * Not counted, before the first scenario of a layout in a round. After minutes without work the first second costs every
   * peer more: caches, clock speeds, collected code. 0 where rounds are short.
   */
  readonly leadInSeconds: number;
  readonly idleConnections: 'quick' | 'full';
}

export const USAGE = `usage: npm run bench [-- quick|full|SCENARIO…] [--rounds N] [--seconds N] [--peers nginx,haproxy,…]

quick      the main scenarios, 3 rounds of a second; under two minutes (the default)
full       every scenario, 7 rounds of two seconds; about an hour
scenarios  ${SCENARIOS.map(({ id }) => id).join(' ')}
peers      ${PEERS.map(({ id }) => id).join(' ')}`;

const DEFAULT_PEERS = PEERS.filter(({ onlyWhenNamed }) => onlyWhenNamed !== true).map(({ id }) => id);

/** null when only the usage was asked for. Throws a message for the user. */
export function readOptions(args: readonly string[]): BenchOptions | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      peers: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  const isFull = positionals.includes('full');
  const isQuick = positionals.length === 0 || positionals.includes('quick');
  return {
    name: isFull ? 'full' : isQuick ? 'quick' : 'some',
    scenarios: isFull ? SCENARIOS : isQuick ? SCENARIOS.filter(({ quick }) => quick) : named(positionals),
    peers: values.peers === undefined ? DEFAULT_PEERS : known(values.peers.split(',')),
    rounds: count(values.rounds, isQuick ? 3 : 7, 'rounds'),
    seconds: count(values.seconds, isQuick ? 1 : 2, 'seconds'),
    warmUpSeconds: isQuick ? 1 : 4,
    leadInSeconds: isQuick ? 0 : 1,
    idleConnections: isFull ? 'full' : 'quick',
  };
}

function named(ids: readonly string[]): Scenario[] {
  return ids.map((id) => {
    const found = SCENARIOS.find((scenario) => scenario.id === id);
    if (found === undefined) throw new Error(`there is no scenario ${id}`);
    return found;
  });
}

function known(ids: readonly string[]): string[] {
  const unknown = ids.find((id) => !PEERS.some((peer) => peer.id === id));
  if (unknown !== undefined) throw new Error(`there is no peer ${unknown}`);
  return [...ids];
}

function count(text: string | undefined, otherwise: number, what: string): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`--${what} ${text} is not a whole number above 0`);
}
