import { watchConfig } from '../config/watch.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ConfigFile } from './config-file.ts';

/**
 * Watches the file from now on, and calls back from the moment someone listens: what changed before is made up for. So
 * the watch can begin before the first reading and reload once there is something to reload.
 */
export function watchFile(file: ConfigFile, log: Logger, signal: AbortSignal): (onChange: () => void) => void {
  let early = false;
  let call = (): void => {
    early = true;
  };
  const watch = watchConfig(file.path, () => call(), signal, {
    files: () => file.files(),
    onError: (err) =>
      log.warn({ event: 'config.watch_failed', err }, 'the directory of the configuration is polled only'),
  });
  file.afterLoad(() => watch.note());
  return (onChange) => {
    call = onChange;
    if (early) onChange();
  };
}
