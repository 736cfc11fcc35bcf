import type { NotificationConfig } from '../../config/config.ts';
import type { StoredEvent } from '../../store/store.ts';

/** Whether somebody asked to be told of an event. What becomes of notifications is not told by one. */
export function isWanted({ events, services }: NotificationConfig, { type, service }: StoredEvent): boolean {
  if (type.startsWith('notification.')) return false;
  if (services !== null && (service === null || !services.includes(service))) return false;
  return events.some((wanted) => (wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted));
}
