import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScenarioResult } from '../run.ts';
import { spread } from '../statistics.ts';
import { type Report, renderMarkdown } from './markdown.ts';
import { type Bar, barChart } from './svg.ts';

/** Writes NAME.json, NAME.md and a picture per scenario; returns the path of the Markdown. */
export function writeReport(report: Report, directory: string): string {
  const pictures = join(directory, report.name);
  rmSync(pictures, { recursive: true, force: true });
  mkdirSync(pictures, { recursive: true });
  for (const scenario of report.result.scenarios) {
    const bars = barsOf(scenario, report);
    if (bars.length === 0) continue;
    writeFileSync(join(pictures, `${scenario.id}.svg`), barChart(scenario.title, 'CPU µs per request', bars));
  }
  writeFileSync(join(directory, `${report.name}.json`), `${JSON.stringify(report, null, 1)}\n`);
  const markdown = join(directory, `${report.name}.md`);
  writeFileSync(markdown, renderMarkdown(report));
  return markdown;
}

/** Cheapest first. */
function barsOf({ samples }: ScenarioResult, { peers }: Report): Bar[] {
  return peers
    .flatMap(({ id, title }): Bar[] => {
      const value = spread((samples[id] ?? []).flatMap((sample) => sample.cpuUs ?? []));
      return value === null ? [] : [{ label: title, value, isOurs: id === 'tealgate' }];
    })
    .sort((a, b) => a.value.median - b.value.median);
}
