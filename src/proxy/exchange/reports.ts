import { equalsIgnoreCase } from '../../http1/bytes.ts';
import { F } from '../../http1/fields.ts';
import type { Head } from '../../http1/head.ts';

/** How a service's targets report what happened in the business. */
export interface ReportField {
  /** Name of the response field, in lower case. */
  readonly name: Buffer;
  /** It goes on to the client. */
  readonly forward: boolean;
}

/** What a response reports, empty for nothing; unless it goes on to the client, the field ends here. */
export function takeReport(head: Head, { name, forward }: ReportField): string {
  let report = '';
  for (let i = 0; i < head.count; i++) {
    if (!equalsIgnoreCase(head.buf, head.nameStart(i), head.nameEnd(i), name)) continue;
    report = report === '' ? head.value(i) : `${report},${head.value(i)}`;
    if (!forward) head.ids[i] = F.keepAlive; // not relayed, as no field that belongs to this connection is
  }
  return report;
}
