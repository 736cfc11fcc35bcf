import { LiveArea } from '../src/cli/live-area.ts';
import { type Paint, painter } from '../src/cli/style.ts';

/** What the audience sees: lines that stay, and on a terminal a part below them that is drawn again and again. */
export class Screen {
  readonly paint: Paint;
  private readonly area: LiveArea | null;
  private milestone = '';

  constructor() {
    this.paint = painter(process.stdout, process.env);
    this.area = process.stdout.isTTY ? new LiveArea(process.stdout) : null;
  }

  say(...lines: readonly string[]): void {
    this.area?.clear();
    process.stdout.write(`${lines.join('\n')}\n`);
  }

  /** On a terminal `lines` are drawn in place; in a pipe `milestone` is printed when it changes. */
  live(lines: () => readonly string[], milestone: string): void {
    if (this.area !== null) this.area.draw(lines());
    else if (milestone !== this.milestone) process.stdout.write(`  ${milestone}\n`);
    this.milestone = milestone;
  }

  end(): void {
    this.area?.clear();
  }
}
