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
  const output = [
    headline(report),
    ...rows(report).map(({ name, text }) => `${name}: ${text}`),
    ...report.upstreams.map(upstreamText),
  ].join('\n');
  const counts = `tests="${cases.length}" failures="${failures}" errors="0"`;
  const times = `time="${(report.durationMs / 1000).toFixed(3)}" timestamp="${report.startedAt}"`;
  return document(`name="${escapeXml(suite)}" ${counts} ${times}`, [
    ...cases,
    `    <system-out>${escapeXml(output)}</system-out>`,
  ]);
}

/** A test that could not be made, so that no pipeline shows the results of an earlier one, or none. */
export function renderJunitError(scenario: string, message: string): string {
  const suite = `loadtest.${scenario}`;
  return document(`name="${escapeXml(suite)}" tests="1" failures="0" errors="1" time="0"`, [
    testCase(suite, 'no problem', message, 'error'),
  ]);
}

function document(attributes: string, parts: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tealgate">
  <testsuite ${attributes}>
${parts.join('\n')}
  </testsuite>
</testsuites>
`;
}

function testCase(suite: string, name: string, failure: string | null, kind: 'failure' | 'error' = 'failure'): string {
  const head = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(name)}" time="0"`;
  if (failure === null) return `${head}/>`;
  const [summary = ''] = failure.split('\n');
  return `${head}>
      <${kind} message="${escapeXml(summary)}">${escapeXml(failure)}</${kind}>
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
