import type { Address } from '../../config/address.ts';
import type { Config } from '../../config/config.ts';
import { describeChanges } from '../../config/diff.ts';
import { formatProblem } from '../../config/load.ts';
import { parseTargetUrl, reachesAdmin } from '../../config/target-url.ts';
import type { NewEvent } from '../../store/store.ts';
import { abandonRollouts } from '../abandon-rollouts.ts';
import type { ConfigFile } from '../config-file.ts';
import type { Command, ConfigStatus } from '../control-plane.ts';
import type { Alone, Core } from '../core.ts';
import { desiredService, effectiveService, own } from '../desired/effective.ts';
import { sameValue } from '../desired/equal.ts';
import { routingEvents } from '../desired/events.ts';
import { type DroppedOverride, reconcile } from '../desired/reconcile.ts';
import { runningRollout } from '../desired/rollouts.ts';

/**
 * Reads the file again and takes it over as far as a running gate can: services, upstreams, targets and listeners. What
 * cannot change without a restart keeps its value. Refused as a whole, with nothing changed, when the file is wrong, when
 * a rollout that is under way would lose one of its sides, and when a new listener cannot be bound.
 *
 * @param admin where the admin endpoint listens, whatever the file says by now; null for a unix socket
 */
export function reload(core: Core, file: ConfigFile, by: Command, admin: Address | null): Promise<ConfigStatus> {
  return core.alone(async (tools) => {
    const loaded = file.load();
    if (!loaded.ok) return refuse(core, tools, file, { by, problems: loaded.problems.map(formatProblem) });
    for (const warning of loaded.warnings) {
      core.parts.log.warn({ event: 'config.warning', problem: formatProblem(warning) }, 'likely not what is meant');
    }
    const running = core.current().config;
    const broken = [...brokenRollouts(core, loaded.config), ...adminTargets(loaded.config, admin)];
    if (broken.length > 0) return refuse(core, tools, file, { by, problems: broken });
    const next = applicable(running, loaded.config);
    const changes = [...describeChanges(running, next), ...pending(describeChanges(next, loaded.config))];
    if (!sameValue(running.listeners, next.listeners)) {
      const problem = await listen(core, next, by);
      if (problem !== null) return refuse(core, tools, file, { by, problems: [problem] });
    }
    await commit(core, tools, next, { by, changes }).catch((error: unknown) => {
      file.refused([messageOf(error)]);
      throw error;
    });
    return file.accepted(changes);
  });
}

function refuse(
  core: Core,
  { tell }: Alone,
  file: ConfigFile,
  { by, problems }: { readonly by: Command; readonly problems: readonly string[] },
): ConfigStatus {
  const { log, clock } = core.parts;
  for (const problem of problems) log.error({ event: 'config.problem', problem }, 'the configuration is not valid');
  const data = { problems };
  tell([{ type: 'config.rejected', service: null, actor: by.actor, at: clock.wallMs(), data }]);
  return file.refused(problems);
}

async function listen(core: Core, next: Config, { actor }: Command): Promise<string | null> {
  const { pool, log } = core.parts;
  try {
    await pool.listen(next.listeners, next.shutdown.closeSpreadMs);
    log.info({ event: 'listeners.changed', actor, addresses: pool.addresses() }, 'listeners were changed');
    return null;
  } catch (error) {
    log.error({ event: 'listeners.refused', actor, err: error }, 'the listeners could not be changed');
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function commit(
  core: Core,
  tools: Alone,
  next: Config,
  { by, changes }: { readonly by: Command; readonly changes: readonly string[] },
): Promise<void> {
  const at = core.parts.clock.wallMs();
  const event = (type: string, service: string | null, data: NewEvent['data']): NewEvent => ({
    type,
    service,
    actor: by.actor,
    at,
    data,
  });
  try {
    tools.commit(({ config, desired }) => {
      const back = Object.keys(next.services).filter((service) => own(config.services, service) === undefined);
      const abandoned = abandonRollouts(desired, next, at, back);
      const reconciled = reconcile(abandoned.desired, next, config);
      const events = [
        event('config.reloaded', null, { changes }),
        ...abandoned.events,
        ...reconciled.dropped.map((dropped) => event('override.dropped', dropped.service, describeDropped(dropped))),
        ...trafficEvents({ config, desired }, { config: next, desired: reconciled.desired }).map(
          ({ service, type, data }) => event(type, service, data),
        ),
      ];
      return { config: next, desired: reconciled.desired, events, journal: abandoned.journal };
    });
  } catch (error) {
    // The listeners were changed before, because that may fail; now they must not stay so.
    const { listeners, shutdown } = core.current().config;
    await core.parts.pool.listen(listeners, shutdown.closeSpreadMs);
    throw error;
  }
  await tools.publish();
}

function describeDropped({ field, value, file }: DroppedOverride): NewEvent['data'] {
  return { field, value, file };
}

function trafficEvents(before: ReturnType<Core['current']>, after: ReturnType<Core['current']>) {
  return Object.values(after.config.services).flatMap((service) => {
    const earlier = before.config.services[service.name];
    if (earlier === undefined) return [];
    return routingEvents(
      effectiveService(earlier, desiredService(before.desired, service.name)),
      effectiveService(service, desiredService(after.desired, service.name)),
    ).map((event) => ({ ...event, service: service.name }));
  });
}

function brokenRollouts(core: Core, file: Config): string[] {
  const { config, desired } = core.current();
  return Object.keys(config.services).flatMap((service) => {
    const rollout = runningRollout(desiredService(desired, service));
    if (rollout === null) return [];
    const upstreams = Object.keys(file.services[service]?.upstreams ?? {});
    const { group } = rollout;
    if (group !== undefined && file.groups[group.name] === undefined) {
      return [
        `groups.${group.name} is missing, but its rollout is ${rollout.position.phase}; abort it first, or wait until it has ended`,
      ];
    }
    const missing = [rollout.from, rollout.to].filter((side) => !upstreams.includes(side));
    if (missing.length === 0) return [];
    const where = `services.${service}${missing.length === 1 ? `.upstreams.${missing[0]}` : ''}`;
    return [
      `${where} is missing, but the rollout of ${service} to ${rollout.to} is ${rollout.position.phase}; abort it first, or wait until it has ended`,
    ];
  });
}

/** A file that moves the admin endpoint moves it at the next start: until then its old address is no target. */
function adminTargets({ services }: Config, admin: Address | null): string[] {
  return Object.values(services).flatMap(({ name, upstreams }) =>
    Object.entries(upstreams).flatMap(([upstream, { targets }]) =>
      targets
        .filter((target) => admin !== null && reachesAdmin(parseTargetUrl(target), admin))
        .map((target) => {
          const where = `services.${name}.upstreams.${upstream}.targets`;
          return `${where}: ${target} is the admin address until a restart; requests are never sent there`;
        }),
    ),
  );
}

/**
 * The file as far as it can hold without a restart: threads, store and admin endpoint stay as they are, and so does
 * whether an open listener speaks TLS, HTTP/2 and the PROXY protocol.
 */
function applicable(running: Config, file: Config): Config {
  const { workers, accessLog, store, admin } = running;
  const open = [...running.listeners];
  const listeners = file.listeners.map((listener) => {
    const at = open.findIndex(({ host, port }) => host === listener.host && port === listener.port);
    const [before] = at < 0 ? [] : open.splice(at, 1);
    if (before === undefined) return listener;
    const tls = before.tls === null || listener.tls === null ? before.tls : listener.tls;
    return { ...listener, tls, http2: before.http2, proxyProtocol: before.proxyProtocol };
  });
  return { ...file, workers, accessLog, store, admin, listeners };
}

const RESTART = '(needs a restart)';

function pending(changes: readonly string[]): string[] {
  return changes.map((change) => (change.endsWith(RESTART) ? change : `${change} ${RESTART}`));
}
