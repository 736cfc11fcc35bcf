import { METHODS } from '../../traffic/ledger.ts';
import type { MirrorRoute } from '../../traffic/snapshot.ts';
import type { RequestFacts } from '../exchange/request-policy.ts';
import type { RequestRelay } from '../exchange/request-relay.ts';
import type { Service, Upstream } from '../routing-table.ts';
import { ResponseCapture } from './response-capture.ts';

/** Copies of one service and worker that may be under way at once; more are left out and counted. */
const MOST_UNDER_WAY = 64;
/** Shares such as 0.1 add up to a hair less than a whole. */
const WHOLE = 1 - 1e-9;

/** A request that is to be copied once it is answered. */
export interface MirrorTicket {
  /** Takes down stable's response; null where responses are not compared. */
  readonly capture: ResponseCapture | null;
}

/** Which of the requests that stable answers are copied, in a worker: an exact share, evenly spread. */
export class Mirror {
  /** Copies under way. */
  underWay = 0;
  #route: MirrorRoute;
  #methods: readonly boolean[] = [];
  #credit = 0;

  constructor(route: MirrorRoute) {
    this.#route = route;
    this.route = route;
  }

  get route(): MirrorRoute {
    return this.#route;
  }

  /** For requests from now on; what is under way goes on as it began. */
  set route(route: MirrorRoute) {
    this.#route = route;
    this.#methods = METHODS.map((method) => route.methods.includes(method));
  }

  get full(): boolean {
    return this.underWay >= MOST_UNDER_WAY;
  }

  /** Null when this request is not copied. `method`: index into METHODS; `bytes`: of the whole request. */
  take(method: number, bytes: number): MirrorTicket | null {
    if (this.#methods[method] !== true || bytes > this.#route.requestBytes) return null;
    this.#credit += this.#route.share;
    if (this.#credit < WHOLE) return null;
    this.#credit = Math.max(0, this.#credit - 1);
    const { compare } = this.#route;
    return { capture: compare === null ? null : new ResponseCapture(compare) };
  }
}

/** For a request that goes to `upstream` by pin or weight; null when it is not copied. */
export function mirrorTicket(
  service: Service,
  upstream: Upstream,
  request: RequestFacts,
  relay: RequestRelay,
): MirrorTicket | null {
  if (service.mirror === null || upstream !== service.stable || request.upgrade) return null;
  const isWhole = relay.done && relay.firstBytes > 0;
  return isWhole ? service.mirror.take(request.method, relay.firstBytes) : null;
}
