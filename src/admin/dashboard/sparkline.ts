import { type Html, html } from './html.ts';

const WIDTH = 72;
const HEIGHT = 18;

export interface Sparkline {
  /** Oldest first. */
  readonly points: readonly number[];
  /** Top of the scale; grows with the points. */
  readonly least: number;
  /** Colour class. */
  readonly colour: string;
  /** What it shows, for those who do not see it. */
  readonly label: string;
}

/** A small curve with its area filled; nothing until there are two points. */
export function sparkline({ points, least, colour, label }: Sparkline): Html {
  if (points.length < 2) return html`<svg class="spark" width="${WIDTH}" height="${HEIGHT}" aria-hidden="true"></svg>`;
  const top = Math.max(least, ...points);
  const step = WIDTH / (points.length - 1);
  const line = points.map((value, i) => `${(i * step).toFixed(1)},${y(value / top)}`).join(' ');
  return html`<svg class="spark ${colour}" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"
    role="img" aria-label="${label}"><polygon points="0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}"/><polyline points="${line}"/></svg>`;
}

function y(share: number): string {
  return (HEIGHT - 1 - share * (HEIGHT - 2)).toFixed(1);
}
