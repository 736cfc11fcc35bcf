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
