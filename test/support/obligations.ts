import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export interface Obligation {
  readonly id: string;
  readonly section: string;
  readonly level: 'MUST' | 'SHOULD' | 'INFO';
  readonly required: string;
  readonly source: string;
}

const TABLE = resolve(import.meta.dirname, '../conformance/obligations.md');

/** The title of a test of one obligation, which begins with its id; `variation` tells several apart. */
export function obligation(id: string, variation?: string): string {
  const known = byId().get(id);
  if (known === undefined) throw new Error(`obligations.md has no row ${id}`);
  return `${id} ${known.required}${variation === undefined ? '' : ` [${variation}]`}`;
}

let index: ReadonlyMap<string, Obligation> | null = null;

function byId(): ReadonlyMap<string, Obligation> {
  index ??= new Map(readObligations().map((each) => [each.id, each]));
  return index;
}

/** The rows of obligations.md in order. */
export function readObligations(): readonly Obligation[] {
  const rows: Obligation[] = [];
  let section = '';
  for (const line of readFileSync(TABLE, 'utf8').split('\n')) {
    if (line.startsWith('## ')) section = line.slice(3);
    const [, id = '', level = '', required = '', source = ''] = line.split('|').map((cell) => cell.trim());
    if (/^[A-Z]\d\d-/.test(id)) rows.push({ id, section, level: level as Obligation['level'], required, source });
  }
  return rows;
}
