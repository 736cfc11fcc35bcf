import { TealgateError } from '../../platform/errors.ts';
import type { BusinessReport } from '../control-plane.ts';
import type { Core } from '../core.ts';
import { expectUpstream } from './refuse.ts';

/** Events of an upstream by different names: more are likely not meant as names. */
const MOST_EVENTS = 100;

/** Counts what an application reports; kept as long as the process lives, as all counts are. Returns the totals. */
export function reportBusiness(core: Core, service: string, report: BusinessReport): BusinessReport {
  const { upstream, event, count, of } = report;
  expectUpstream(core.service(service), upstream);
  const entry = core.parts.registry.service(service)?.upstreams.get(upstream);
  if (entry === undefined) throw new TealgateError('not_found', `${service} does not serve ${upstream} yet`);
  const before = entry.reported.get(event);
  if (before === undefined && entry.reported.size >= MOST_EVENTS) {
    const message = `${upstream} of ${service} has ${MOST_EVENTS} events already; count alike things under one name`;
    throw new TealgateError('bad_request', message);
  }
  const total = { count: (before?.count ?? 0) + count, of: (before?.of ?? 0) + of };
  entry.reported.set(event, total);
  return { upstream, event, ...total };
}
