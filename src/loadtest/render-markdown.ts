import type { Report } from './report.ts';
import { headline, rows } from './rows.ts';

/** A report as GitHub-flavoured Markdown: for a job summary or a comment. */
export function renderMarkdown(report: Report): string {
  const verdict = report.ok ? '✅ passed' : '❌ failed';
  const parts = [
    `### Load test ${verdict}`,
    cell(headline(report)),
    table(
      ['', ''],
      rows(report).map(({ name, text }) => [name, text]),
    ),
    table(
      ['', 'expectation', 'result'],
      [
        ...report.checks.map(({ ok, expectation, detail }) => [ok ? '✅' : '❌', expectation, detail]),
        ...report.problems.map((problem) => ['❌', 'no problem', problem]),
      ],
    ),
    table(
      ['upstream', 'requests', 'attempts', 'failed', 'retries', 'answers that name it'],
      report.upstreams.map(({ name, requests, attempts, failed, retries, answered }) =>
        [name, requests, attempts, failed, retries, answered].map((value) => String(value ?? '–')),
      ),
    ),
    report.logs === null ? '' : `Output of the processes: ${cell(report.logs)}`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** A test that could not be made. */
export function renderMarkdownError(message: string): string {
  const code = message.split('\n').map((line) => `    ${line}`);
  return `### Load test ❌ failed\n\n${code.join('\n')}\n`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  if (body.length === 0) return '';
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...body.map(line)].join('\n');
}

/** Text that is nothing but text: no HTML, no Markdown, no end of the cell. */
function cell(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_[\]|~]/g, '\\$&');
}
