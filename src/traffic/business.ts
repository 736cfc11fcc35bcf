/**
 * Whether a report names an event: `order`, `order=2` or several of them behind commas. `order=0` says that there was
 * none.
 */
export function reportsEvent(report: string, event: string): boolean {
  for (const part of report.split(',')) {
    const [name = '', count = '1'] = part.split('=');
    if (name.trim() === event && Number(count) > 0) return true;
  }
  return false;
}
