import type { Report } from './report.ts';
import { headline, rows, upstreamText } from './rows.ts';

/** A report as JUnit XML: a test case for each expectation, and one for what went wrong besides. */
export function renderJunit(report: Report): string {
  const suite = `loadtest.${report.scenario}`;
  const cases = [
    ...report.checks.map(({ expectation, ok, detail }) => testCase(suite, expectation, ok ? null : detail)),
    testCase(suite, 'no problem', report.problems.length === 0 ? null : report.problems.join('\n')),
  ];
  const failures = report.checks.filter(({ ok }) => !ok).length + (report.problems.length === 0 ? 0 : 1);
  const attributes = [
    `name="${escapeXml(suite)}"`,
    `tests="${cases.length}"`,
    `failures="${failures}"`,
    'errors="0"',
    `time="${(report.durationMs / 1000).toFixed(3)}"`,
    `timestamp="${report.startedAt}"`,
  ].join(' ');
  const output = [
    headline(report),
    ...rows(report).map(({ name, text }) => `${name}: ${text}`),
    ...report.upstreams.map(upstreamText),
  ].join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tealgate">
  <testsuite ${attributes}>
${cases.join('\n')}
    <system-out>${escapeXml(output)}</system-out>
  </testsuite>
</testsuites>
`;
}

function testCase(suite: string, name: string, failure: string | null): string {
  const head = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(name)}" time="0"`;
  if (failure === null) return `${head}/>`;
  const [summary = ''] = failure.split('\n');
  return `${head}>
      <failure message="${escapeXml(summary)}">${escapeXml(failure)}</failure>
    </testcase>`;
}

/** Text for an element or an attribute. Characters that XML 1.0 §2.2 has no place for become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&apos;');
}
