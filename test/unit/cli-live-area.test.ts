import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { LiveArea } from '../../src/cli/live-area.ts';

/** What an area of these lines shows on a terminal of this size. */
function shown(size: { readonly columns?: number; readonly rows?: number }, lines: readonly string[]): string[] {
  const written: string[] = [];
  const area = new LiveArea({ isTTY: true, ...size, write: (text) => written.push(text) });
  area.draw(lines);
  return stripVTControlCharacters(written.join('')).trimEnd().split('\n');
}

describe('what is drawn in place', () => {
  it('is cut to the terminal', () => {
    expect(shown({ columns: 6, rows: 3 }, ['evidence', 'short', 'third'])).toEqual(['evide…', 'short']);
  });

  it('is shown on a terminal that does not know its size', () => {
    expect(shown({ columns: 0, rows: 0 }, ['evidence', 'short'])).toEqual(['evidence', 'short']);
    expect(shown({}, ['evidence', 'short'])).toEqual(['evidence', 'short']);
  });
});
