import { styleText } from 'node:util';
import type { Io, Sink } from './io.ts';

type Format = Parameters<typeof styleText>[0];
export type Paint = (format: Format, text: string) => string;

/** Colours on a terminal only; NO_COLOR (no-color.org) and a dumb terminal turn them off. */
export function painter(sink: Sink, env: Io['env']): Paint {
  const coloured = sink.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  if (!coloured) return (_format, text) => text;
  // The stream was judged above, by rules that hold for a test's sink as well.
  return (format, text) => styleText(format, text, { validateStream: false });
}

/** A bar of `width` cells, `share` (0 to 1) of them filled; a share above 0 shows at least one. */
export function bar(share: number, width: number): string {
  const filled = share > 0 ? Math.max(1, Math.round(share * width)) : 0;
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}

/** One cell of a table: padded by its plain width, painted afterwards. */
export interface Cell {
  readonly text: string;
  readonly format?: Format;
  readonly align?: 'right';
}

/** Lines of left- or right-aligned columns, two spaces apart. */
export function table(rows: readonly (readonly Cell[])[], paint: Paint): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.text.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        const padded = cell.align === 'right' ? cell.text.padStart(width) : cell.text.padEnd(width);
        return cell.format === undefined ? padded : paint(cell.format, padded);
      })
      .join('  ')
      .trimEnd(),
  );
}
