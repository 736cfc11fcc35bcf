import { DRAIN_MS } from './scenes.ts';

/** The gate's configuration: as short as a real one, with holds of seconds instead of minutes. */
export function demoConfig(targets: { readonly blue: string; readonly green: string }): string {
  return `listeners:
  - address: 127.0.0.1:0
admin:
  address: 127.0.0.1:0
store: {path: ./tealgate.db}
accessLog: false
services:
  shop:
    paths: [/]
    upstreams:
      blue:  {weight: 100, targets: ["${targets.blue}"]}
      green: {weight: 0,   targets: ["${targets.green}"]}
    stable: blue
    health: {path: /healthz, interval: 500ms, timeout: 400ms, rise: 1, fall: 3}
    drain: {timeout: ${DRAIN_MS}ms}
    rollout:
      strategy: canary
      smoke: [{path: /healthz, expect: {status: 200}}]
      stages: [{weight: 5, hold: 4s}, {weight: 25, hold: 4s}, {weight: 50, hold: 4s}, {weight: 100, hold: 2s}]
      guards:
        errorRate: {max: 1%, confidence: 99%}
`;
}
