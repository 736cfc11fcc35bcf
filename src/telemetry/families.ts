import type { TargetView } from '../app/control-plane.ts';
import { PHASES } from '../rollout/rollout.ts';
import {
  CODES,
  DURATION_BOUNDS_S,
  METHODS,
  OUTCOMES,
  OVERHEAD_BOUNDS_S,
  SERVICE,
  UPSTREAM,
} from '../traffic/ledger.ts';
import type { Frame } from './frame.ts';
import type { LedgerHistogramSpec } from './ledger-histogram.ts';

/** A metric and how a scrape reads it. */
export interface Family {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  read(frame: Frame): Iterable<Sample>;
}

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

export const HISTOGRAMS: readonly LedgerHistogramSpec[] = [
  {
    name: 'tealgate_request_duration_seconds',
    help: 'Time from the first byte of a request to the last byte of its response, by upstream.',
    bounds: DURATION_BOUNDS_S,
    firstCell: UPSTREAM.requestDuration,
  },
  {
    name: 'tealgate_upstream_duration_seconds',
    help: 'Time the upstream took of it.',
    bounds: DURATION_BOUNDS_S,
    firstCell: UPSTREAM.upstreamDuration,
  },
  {
    name: 'tealgate_overhead_seconds',
    help: 'Time the gate itself added.',
    bounds: OVERHEAD_BOUNDS_S,
    firstCell: UPSTREAM.overhead,
  },
];

/** Everything but the histograms. */
export const FAMILIES: readonly Family[] = [
  {
    kind: 'counter',
    name: 'tealgate_requests_total',
    help: 'Requests answered, by upstream, method and status code; codes outside the registry are "other".',
    labelNames: ['service', 'upstream', 'method', 'code'],
    read: requests,
  },
  {
    kind: 'counter',
    name: 'tealgate_accepted_total',
    help: 'Requests accepted; an empty service is what never reached one. At rest it is the sum of the outcomes.',
    labelNames: ['service'],
    *read({ services }) {
      for (const { service, cells } of services) yield [{ service }, cells[SERVICE.accepted] ?? 0];
    },
  },
  {
    kind: 'counter',
    name: 'tealgate_outcomes_total',
    help: 'How accepted requests ended, each in exactly one class.',
    labelNames: ['service', 'outcome'],
    *read({ services }) {
      for (const { service, cells } of services) {
        for (const [i, outcome] of OUTCOMES.entries()) yield [{ service, outcome }, cells[SERVICE.outcomes + i] ?? 0];
      }
    },
  },
  upstreamCell(
    'gauge',
    'tealgate_in_flight',
    'Requests and upgraded connections now with the upstream.',
    UPSTREAM.inFlight,
  ),
  upstreamCell('gauge', 'tealgate_queued', 'Requests that wait for a place on a target.', UPSTREAM.queued),
  upstreamCell('gauge', 'tealgate_upgrades', 'Upgraded connections now open.', UPSTREAM.upgrades),
  upstreamCell('gauge', 'tealgate_pins', 'Clients pinned to the upstream since the start.', UPSTREAM.pins),
  upstreamCell(
    'counter',
    'tealgate_retries_total',
    'Attempts that repeated a failed one on another target.',
    UPSTREAM.retries,
  ),
  upstreamCell(
    'counter',
    'tealgate_shielded_total',
    'Requests that failed here and were answered by stable.',
    UPSTREAM.shielded,
  ),
  upstreamCell('counter', 'tealgate_mirrored_total', 'Copies of requests that it was sent.', UPSTREAM.mirrored),
  upstreamCell(
    'counter',
    'tealgate_mirror_skipped_total',
    'Copies left out: too many were under way, or no target took one.',
    UPSTREAM.mirrorSkipped,
  ),
  upstreamCell(
    'counter',
    'tealgate_mirror_errors_total',
    'Copies that it answered with 5xx or not at all.',
    UPSTREAM.mirrorErrors,
  ),
  upstreamCell(
    'counter',
    'tealgate_mirror_compared_total',
    "Copies whose response was compared with the client's; on stable, with its own.",
    UPSTREAM.compared,
  ),
  upstreamCell('counter', 'tealgate_mirror_differed_total', 'Of these, the ones that differed.', UPSTREAM.differed),
  {
    kind: 'gauge',
    name: 'tealgate_target_healthy',
    help: '1 while the target is healthy, or trusted because no health check is configured.',
    labelNames: ['service', 'upstream', 'target'],
    read: targetHealth,
  },
  {
    kind: 'gauge',
    name: 'tealgate_target_ejected',
    help: '1 while outlier detection leaves the target out.',
    labelNames: ['service', 'upstream', 'target'],
    read: targetEjection,
  },
  {
    kind: 'counter',
    name: 'tealgate_target_ejections_total',
    help: 'Targets ejected, by what showed that they fail.',
    labelNames: ['service', 'upstream', 'reason'],
    *read({ ejections }) {
      for (const { service, upstream, reason, count } of ejections) yield [{ service, upstream, reason }, count];
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_upstream_weight',
    help: 'Share of new traffic, proportional to the weights of the service.',
    labelNames: ['service', 'upstream'],
    *read({ overview }) {
      for (const service of Object.values(overview.services)) {
        for (const { name, weight } of Object.values(service.upstreams)) {
          yield [{ service: service.name, upstream: name }, weight];
        }
      }
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_rollout_phase',
    help: '1 for the phase that the newest rollout of the service is in, 0 for the others.',
    labelNames: ['service', 'phase'],
    *read({ overview }) {
      for (const { name, rollout } of Object.values(overview.services)) {
        if (rollout === null) continue;
        for (const phase of PHASES) yield [{ service: name, phase }, rollout.position.phase === phase ? 1 : 0];
      }
    },
  },
  {
    kind: 'counter',
    name: 'tealgate_rollout_transitions_total',
    help: 'Phases entered by rollouts, and why.',
    labelNames: ['service', 'to', 'reason'],
    *read({ transitions }) {
      for (const { service, to, reason, count } of transitions) yield [{ service, to, reason }, count];
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_notifications_waiting',
    help: 'Notifications that their receiver has not taken yet.',
    labelNames: ['webhook'],
    *read({ notifications }) {
      for (const { webhook, waiting } of notifications) yield [{ webhook }, waiting];
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_notifications_dead',
    help: 'Notifications that were given up, at most 1000 in all.',
    labelNames: ['webhook'],
    *read({ notifications }) {
      for (const { webhook, dead } of notifications) yield [{ webhook }, dead];
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_certificate_expiry_timestamp_seconds',
    help: 'When a certificate that a listener serves is no longer valid.',
    labelNames: ['listener', 'certificate'],
    *read({ certificates }) {
      for (const { listener, certificate, expiresAt } of certificates)
        yield [{ listener, certificate }, expiresAt / 1000];
    },
  },
  {
    kind: 'gauge',
    name: 'tealgate_config_last_reload_successful',
    help: '1 when the configuration last read was good.',
    labelNames: [],
    read: ({ overview }) => [[{}, overview.config.lastReloadSuccessful ? 1 : 0]],
  },
  {
    kind: 'gauge',
    name: 'tealgate_config_last_reload_success_timestamp_seconds',
    help: 'When the configuration in force was read.',
    labelNames: [],
    read: ({ overview }) => [[{}, overview.config.loadedAt / 1000]],
  },
  {
    kind: 'counter',
    name: 'tealgate_worker_restarts_total',
    help: 'Workers that died and were started again.',
    labelNames: [],
    read: ({ overview }) => [[{}, overview.workers.reduce((sum, { restarts }) => sum + restarts, 0)]],
  },
];

function upstreamCell(kind: Family['kind'], name: string, help: string, cell: number): Family {
  return {
    kind,
    name,
    help,
    labelNames: ['service', 'upstream'],
    *read({ upstreams }) {
      for (const { service, upstream, cells } of upstreams) yield [{ service, upstream }, cells[cell] ?? 0];
    },
  };
}

/** Cells never hit have no series: there are 9 × 77 of them per upstream. */
function* requests({ upstreams }: Frame): Iterable<Sample> {
  const codes = ['other', ...CODES.map(String)];
  for (const { service, upstream, cells } of upstreams) {
    for (const [m, method] of METHODS.entries()) {
      for (const [c, code] of codes.entries()) {
        const count = cells[UPSTREAM.methodCode + m * codes.length + c] ?? 0;
        if (count > 0) yield [{ service, upstream, method, code }, count];
      }
    }
  }
}

function targetHealth(frame: Frame): Iterable<Sample> {
  return eachTarget(frame, ({ health }) => health === 'healthy' || health === 'trusted');
}

function targetEjection(frame: Frame): Iterable<Sample> {
  return eachTarget(frame, ({ ejection }) => ejection.ejected);
}

function* eachTarget({ overview }: Frame, holds: (target: TargetView) => boolean): Iterable<Sample> {
  for (const service of Object.values(overview.services)) {
    for (const upstream of Object.values(service.upstreams)) {
      for (const target of upstream.targets) {
        if (target.admin === 'removed') continue;
        yield [{ service: service.name, upstream: upstream.name, target: target.url }, holds(target) ? 1 : 0];
      }
    }
  }
}
