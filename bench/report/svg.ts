import type { Spread } from '../statistics.ts';
import { figure } from './numbers.ts';

export interface Bar {
  readonly label: string;
  readonly value: Spread;
  readonly isOurs: boolean;
}

const WIDTH = 720;
const LABEL_WIDTH = 150;
const FIGURE_WIDTH = 90;
const BAR_HEIGHT = 22;
const ROW = 32;
const TOP = 48;
/** Readable on light and on dark pages. */
const COLOURS = { ours: '#0d9488', others: '#94a3b8', range: '#475569', text: '#64748b' } as const;

/** Horizontal bars from zero: the median, with least and most as a line across its end. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const largest = Math.max(...bars.map(({ value }) => value.max), Number.MIN_VALUE);
  const scale = (WIDTH - LABEL_WIDTH - FIGURE_WIDTH) / largest;
  const height = TOP + bars.length * ROW + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="system-ui, sans-serif" font-size="14">
<title>${escapeXml(title)}</title>
<text x="0" y="22" font-size="16" font-weight="600" fill="${COLOURS.text}">${escapeXml(title)}: ${escapeXml(unit)}, less is better</text>
${bars.map((bar, row) => renderBar(bar, TOP + row * ROW, scale)).join('\n')}
</svg>
`;
}

function renderBar({ label, value, isOurs }: Bar, top: number, scale: number): string {
  const middle = top + BAR_HEIGHT / 2;
  const at = (of: number): string => (LABEL_WIDTH + of * scale).toFixed(1);
  const weight = isOurs ? '600' : '400';
  return `<text x="${LABEL_WIDTH - 10}" y="${middle + 5}" text-anchor="end" font-weight="${weight}" fill="${COLOURS.text}">${escapeXml(label)}</text>
<rect x="${LABEL_WIDTH}" y="${top}" width="${(value.median * scale).toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${isOurs ? COLOURS.ours : COLOURS.others}"/>
<line x1="${at(value.min)}" x2="${at(value.max)}" y1="${middle}" y2="${middle}" stroke="${COLOURS.range}" stroke-width="2"/>
<text x="${(LABEL_WIDTH + value.max * scale + 8).toFixed(1)}" y="${middle + 5}" font-weight="${weight}" fill="${COLOURS.text}">${figure(value.median)}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
