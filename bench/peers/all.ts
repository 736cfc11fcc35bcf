import { caddy } from './caddy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { fastifyHttpProxy, fastProxy, httpProxy3, nodeUndici, relay, relayH2 } from './node-peers.ts';
import type { Peer } from './peer.ts';
import { tealgate } from './tealgate.ts';

export const PEERS: readonly Peer[] = [
  tealgate,
  nginx,
  haproxy,
  caddy,
  nodeUndici,
  fastProxy,
  fastifyHttpProxy,
  httpProxy3,
  relay,
  relayH2,
];
