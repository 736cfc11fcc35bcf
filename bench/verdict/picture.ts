import type { Comparison } from './cells.ts';
import type { VerdictReport } from './report.ts';
import { rulesFor } from './rules.ts';

const SIZE = { width: 820, height: 440, left: 70, right: 280, top: 54, bottom: 52 } as const;
/** Readable on light and on dark pages. */
const COLOURS = { text: '#64748b', grid: '#cbd5e1', wald: '#0f172a' } as const;
const LINES: Readonly<Record<string, string>> = {
  tealgate: '#0d9488',
  threshold: '#f59e0b',
  flagger: '#6366f1',
  argo: '#db2777',
};
/** Decades of requests. */
const LEAST = 1;
const MOST = 100_000;

/** Requests until a bad candidate is rolled back against its error rate, both in logarithms; 10 % of 500 requests a second. */
export function picture({ comparisons, confidence }: VerdictReport): string {
  const shown = comparisons.filter(({ traffic }) => traffic === 500);
  const rules = rulesFor({ max: 0.01, confidence });
  const { width, height } = SIZE;
  const lines = rules.map(({ id, title }) => line(title, LINES[id] ?? COLOURS.text, delays(shown, id)));
  const wald = line(
    "Wald's bound",
    COLOURS.wald,
    shown.map(({ rate, wald }) => [rate, Math.max(LEAST, wald)]),
    '4 3',
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>Requests until a bad candidate is rolled back</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="16" y="26" font-size="16" font-weight="600" fill="${COLOURS.text}">Requests until a bad candidate is rolled back (1 % allowed, 50 a second)</text>
${axes(shown)}
${[wald, ...lines].map((draw, i) => draw(i)).join('\n')}
</svg>
`;
}

type Point = readonly [rate: number, requests: number];

function delays(shown: readonly Comparison[], id: string): readonly Point[] {
  return shown.flatMap(({ rate, rules }): Point[] => {
    const requests = rules[id]?.requests ?? null;
    return requests === null ? [] : [[rate, requests]];
  });
}

/** Drawn with its place in the legend. */
function line(title: string, colour: string, points: readonly Point[], dashes = ''): (row: number) => string {
  const path = points.map(([rate, requests]) => `${x(rate)},${y(requests)}`).join(' ');
  const dash = dashes === '' ? '' : ` stroke-dasharray="${dashes}"`;
  const dots = points.map(([rate, n]) => `<circle cx="${x(rate)}" cy="${y(n)}" r="3" fill="${colour}"/>`).join('');
  return (row) => {
    const [left, top] = [SIZE.width - SIZE.right + 14, SIZE.top + 14 + row * 22];
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>${dots}
<line x1="${left}" x2="${left + 22}" y1="${top - 4}" y2="${top - 4}" stroke="${colour}" stroke-width="2"${dash}/>
<text x="${left + 28}" y="${top}" font-size="12" fill="${COLOURS.text}">${title.replaceAll('&', '&amp;')}</text>`;
  };
}

function axes(shown: readonly Comparison[]): string {
  const [left, right] = [SIZE.left, SIZE.width - SIZE.right];
  const decades = Array.from({ length: Math.log10(MOST / LEAST) + 1 }, (_, i) => LEAST * 10 ** i);
  const rows = decades.map(
    (n) =>
      `<line x1="${left}" x2="${right}" y1="${y(n)}" y2="${y(n)}" stroke="${COLOURS.grid}"/><text x="${left - 8}" y="${Number(y(n)) + 4}" text-anchor="end" fill="${COLOURS.text}">${n.toLocaleString('en')}</text>`,
  );
  const base = SIZE.height - SIZE.bottom;
  const columns = shown.map(
    ({ rate }) =>
      `<text x="${x(rate)}" y="${base + 20}" text-anchor="middle" fill="${COLOURS.text}">${Number((rate * 100).toPrecision(3))} %</text>`,
  );
  const name = `<text x="${(left + right) / 2}" y="${base + 42}" text-anchor="middle" fill="${COLOURS.text}">true error rate of the candidate</text>`;
  return [...rows, ...columns, name].join('\n');
}

function x(rate: number): string {
  const [least, most] = [Math.log(0.018), 0];
  const width = SIZE.width - SIZE.left - SIZE.right;
  return (SIZE.left + ((Math.log(rate) - least) / (most - least)) * width).toFixed(1);
}

function y(requests: number): string {
  const share = Math.log(requests / LEAST) / Math.log(MOST / LEAST);
  return (SIZE.height - SIZE.bottom - share * (SIZE.height - SIZE.top - SIZE.bottom)).toFixed(1);
}
