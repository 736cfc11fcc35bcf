import type { Head } from '../../http1/head.ts';
import { pickPinned, pickUnpinned, stillTakes, usableStable } from '../pick.ts';
import type { PinJar } from '../pins.ts';
import { previewedBy } from '../preview.ts';
import type { Service, Upstream } from '../routing-table.ts';
import type { RequestFacts } from './request-policy.ts';

/**
 * Which upstream a request is meant for, and why: what it asks for, its pin, the weights, in this order. One object
 * serves the requests of a connection in turn.
 */
export class Choice {
  /** The request asked for its upstream itself: whatever becomes of it judges nobody and is not shielded. */
  forced = false;
  /** The client has a valid pin. */
  #pinned = false;

  readonly #jar: PinJar;
  /** The client has no valid pin: it is given one for the upstream that answers. */
  #newPin = false;

  constructor(jar: PinJar) {
    this.#jar = jar;
  }

  reset(): void {
    this.forced = false;
    this.#pinned = false;
    this.#newPin = false;
  }

  /** Null: nothing may take the request. */
  make(service: Service, head: Head, request: RequestFacts, nowMs: number): Upstream | null {
    return this.#preview(service, head, request) ?? this.#pick(service, head, request, nowMs);
  }

  /**
   * Whether a request that was given this upstream, and has waited since, still goes there. Who asked for it gets what it says,
   * as if it had come just now: a blown fuse is for those who did not.
   */
  stands(service: Service, upstream: Upstream): boolean {
    if (this.forced) return true;
    return stillTakes(service, upstream) && (this.#pinned || insteadOf(service, upstream) === null);
  }

  /** For a request whose choice no longer stands. Null: nothing may take it any more. */
  anew(service: Service): Upstream | null {
    this.#newPin ||= this.#pinned;
    this.#pinned = false;
    return this.forced ? null : unlessHeld(service, service.picker.next());
  }

  /** Whole field lines that tell the client of the choice, of which `upstream` came. */
  fieldLines(service: Service, upstream: Upstream, secure: boolean, nowMs: number): string {
    const { pins, expose } = service.route;
    const lines = expose ? `x-tealgate-upstream: ${upstream.route.name}\r\n` : '';
    if (!this.#newPin || pins.by !== 'cookie') return lines;
    return lines + this.#jar.issue(service, pins, upstream, secure, nowMs);
  }

  /** The upstream that the request asks for by itself, whether it takes requests or not. */
  #preview(service: Service, head: Head, request: RequestFacts): Upstream | null {
    const { preview } = service.route;
    if (preview === undefined) return null;
    const name = previewedBy(service, preview, head, request.host);
    this.forced = name !== null;
    return service.upstreams.get(name ?? '') ?? null;
  }

  #pick(service: Service, head: Head, request: RequestFacts, nowMs: number): Upstream | null {
    if (this.forced) return null; // it asked for the candidate, and there is none
    if (service.route.pins.by === 'cookie') {
      const pinned = pickPinned(service, head, this.#jar, nowMs);
      if (pinned !== null) {
        this.#pinned = true;
        return pinned;
      }
      this.#newPin = true;
    }
    return unlessHeld(service, pickUnpinned(service, head, request.client));
  }
}

/** Stable for a candidate whose fuse lets no more requests wait for its answer; null where it does, or stable cannot. */
function insteadOf(service: Service, upstream: Upstream): Upstream | null {
  return upstream === service.candidate && service.fuse?.admits === false ? usableStable(service) : null;
}

function unlessHeld(service: Service, upstream: Upstream | null): Upstream | null {
  return upstream === null ? null : (insteadOf(service, upstream) ?? upstream);
}
