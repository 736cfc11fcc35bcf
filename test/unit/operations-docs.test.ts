import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AccessLog } from '../../src/proxy/access-log.ts';
import { answerTo, FAILURES, type Failure } from '../../src/proxy/exchange/failures.ts';
import { OUTCOMES } from '../../src/traffic/ledger.ts';

const TEXT = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const ROWS = [...TEXT.matchAll(/^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$/gm)].map(([, name = '', gets = '']) => ({
  name,
  gets,
}));

describe('docs/operations.md', () => {
  it('lists every outcome, in order', () => {
    expect(ROWS.map(({ name }) => name)).toEqual([...OUTCOMES]);
  });

  it('says with which status a failed request is answered', () => {
    for (const failure of Object.keys(FAILURES) as Failure[]) {
      const outcome = FAILURES[failure][1];
      const row = ROWS.find(({ name }) => name === outcome);
      expect(row?.gets, `${failure}, ${outcome}`).toContain(String(answerTo(failure).status));
    }
  });

  it('shows an access line with the fields that there are, in order', () => {
    const [, shown = ''] = TEXT.match(/^```json\n(\{"level":"info".*?)^```$/ms) ?? [];
    const { requestId: givenId, ...entry } = JSON.parse(shown);
    const sent: Uint8Array[] = [];
    const log = new AccessLog('', (lines) => sent.push(lines));
    log.write({ ...entry, givenId, number: 0 });
    log.close();
    expect(Object.keys(JSON.parse(Buffer.concat(sent).toString()))).toEqual(Object.keys(JSON.parse(shown)));
  });
});
