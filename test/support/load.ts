import { head, response } from './message.ts';
import { RawClient } from './raw-client.ts';
import type { TargetScript } from './scripted-target.ts';

/** A script that answers every request with this name. */
export function named(name: string, ...fields: string[]): TargetScript {
  return async (request) => {
    if (await request.whole) request.send(response('200 OK', fields, name));
  };
}

export interface LoadOptions {
  readonly port: number;
  /** Keep-alive connections; each sends its next request when it has its answer. */
  readonly connections: number;
  /** Requests in all; with `until`, the most. */
  readonly requests: number;
  /** Stops the load before its requests are used up. */
  readonly until?: () => boolean;
  /** Field lines of request number `i`. */
  readonly fields?: (i: number) => readonly string[];
  /** Called as request number `i` is sent; the answer's body is compared by the returned function. */
  readonly onSend?: (i: number) => (body: string) => void;
}

export interface LoadResult {
  readonly sent: number;
  /** Body of each answer by its request's number. */
  readonly bodies: readonly string[];
  /** Statuses other than 200, and connections that ended without having said so. */
  readonly failures: readonly string[];
}

/** Keeps `connections` raw keep-alive clients busy until `requests` have been answered. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const bodies: string[] = [];
  const failures: string[] = [];
  let sent = 0;
  const drive = async (): Promise<void> => {
    const client = await RawClient.connect(options.port);
    while (sent < options.requests && options.until?.() !== true) {
      const i = sent++;
      const check = options.onSend?.(i);
      client.write(head(`GET /${i} HTTP/1.1`, 'Host: gate.test', ...(options.fields?.(i) ?? [])));
      try {
        const answer = await client.readFinal();
        const body = answer.body.bytes.toString();
        bodies[i] = body;
        if (answer.status !== 200) failures.push(`/${i}: ${answer.status}`);
        else check?.(body);
      } catch (error) {
        failures.push(`/${i}: ${error instanceof Error ? error.message : String(error)}`);
        break;
      }
    }
    client.destroy();
  };
  await Promise.all(Array.from({ length: options.connections }, drive));
  return { sent, bodies, failures };
}

/** How often each body came. */
export function tally(bodies: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const body of bodies) counts[body] = (counts[body] ?? 0) + 1;
  return counts;
}
