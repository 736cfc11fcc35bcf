import { describe, expect, test } from 'vitest';
import { parseExpectation } from '../../src/loadtest/expectation.ts';
import { escapeXml, renderJunit } from '../../src/loadtest/render-junit.ts';
import { renderMarkdown } from '../../src/loadtest/render-markdown.ts';
import { renderText } from '../../src/loadtest/render-text.ts';
import { type Asked, makeReport, type Report } from '../../src/loadtest/report.ts';
import type { Measurement } from '../../src/loadtest/run.ts';
import { Tally } from '../../src/loadtest/tally.ts';

const plain = (_format: string, text: string) => text;

function asked(...expectations: readonly string[]): Asked {
  return {
    url: 'http://127.0.0.1:8080/',
    scenario: 'canary',
    service: 'shop',
    rate: 10,
    connections: 2,
    warmupMs: 1000,
    expectations: expectations.map((text) => {
      const parsed = parseExpectation(text);
      if (!parsed.ok) throw new Error(parsed.mistake);
      return parsed.value;
    }),
  };
}

/** Twenty requests in two seconds: 18 × 200, 1 × 503, one dropped. */
function measurement(more: Partial<Measurement> = {}): Measurement {
  const measured = new Tally();
  measured.requests = 20;
  for (let i = 0; i < 18; i++) measured.answer(200, 2, i < 12 ? 'blue' : 'green');
  measured.answer(503, 40, null);
  measured.fail('dropped', true);
  return {
    durationMs: 2000,
    answeringMs: 2000,
    warmup: new Tally(),
    measured,
    unsent: 0,
    accounts: null,
    upstreams: { blue: { weight: 0, requests: 13, trials: 14, errors: 2, retries: 1 } },
    operations: new Map([['switches', 3]]),
    rollout: { id: 'r1', phase: 'promoted', reason: null, ended: true },
    problems: [],
    ...more,
  };
}

const report = (expectations: readonly string[], more: Partial<Measurement> = {}): Report =>
  makeReport(asked(...expectations), new Date(0), measurement(more));

describe('the report of a load test', () => {
  test('counts and judges', () => {
    const made = report(['errors==1', 'non2xx==1', 'rate==9.5', 'promoted==1', 'p50<5ms', 'p95<41ms', 'max<10s']);
    expect(made).toMatchObject({
      ok: true,
      requests: 20,
      answered: 19,
      errors: 1,
      dropped: 1,
      non2xx: 1,
      statuses: { 200: 18, 503: 1 },
      answersPerSecond: 9.5,
    });
    expect(made.upstreams).toEqual([
      { name: 'blue', requests: 13, attempts: 14, failed: 2, retries: 1, answered: 12 },
      { name: 'green', requests: null, attempts: null, failed: null, retries: null, answered: 6 },
    ]);
  });

  test('does not count late answers as if they had come in time', () => {
    expect(report([], { answeringMs: 4000 })).toMatchObject({ durationMs: 2000, answersPerSecond: 4.75 });
  });

  test('fails on one expectation that does not hold, and on any problem', () => {
    expect(report(['errors==0', 'promoted==1']).ok).toBe(false);
    expect(report(['promoted==1'], { problems: ['green ended with 1'] }).ok).toBe(false);
  });

  test('does not know latencies without an answer, nor what was lost without a gate', () => {
    const made = report(['p99<1s', 'lost==0'], { measured: new Tally() });
    expect(made.checks.map(({ ok, detail }) => [ok, detail])).toEqual([
      [false, 'p99 is not known'],
      [false, 'lost is not known'],
    ]);
  });

  test('is readable as text', () => {
    const lines = renderText(report(['errors==0', 'promoted==1'], { problems: ['green ended with 1'] }), plain);
    expect(lines[0]).toBe('canary on shop: 10/s over 2 connections for 2 s');
    expect(lines).toContain('  requests    20 (18 × 200, 1 × 503)');
    expect(lines).toContain('  errors      1 (1 dropped)');
    expect(lines).toContain('  operations  3 switches');
    expect(lines).toContain('  upstream blue: 13 requests, 14 attempts, 2 failed, 1 retries, 12 answers name it');
    expect(lines).toContain('  upstream green: 6 answers name it');
    expect(lines).toContain('  ✗ errors==0: errors is 1');
    expect(lines).toContain('  ✓ promoted==1: promoted is 1');
    expect(lines).toContain('  ✗ green ended with 1');
    expect(lines.at(-1)).toBe('failed');
  });

  test('is a table in Markdown, in which nothing it quotes is markup', () => {
    const text = renderMarkdown(report(['errors==0'], { problems: ['<b>|`x`\n[a](b)'] }));
    expect(text).toContain('### Load test ❌ failed\n');
    expect(text).toContain('| ❌ | errors==0 | errors is 1 |');
    expect(text).toContain('| ❌ | no problem | &lt;b&gt;\\|\\`x\\` \\[a\\](b) |');
    expect(text).toContain('| blue | 13 | 14 | 2 | 1 | 12 |\n| green | – | – | – | – | 6 |\n');
  });

  test('is a JUnit suite with a case for each expectation', () => {
    const text = renderJunit(report(['errors==0', 'p50<5ms'], { problems: ['a < b & "c"'] }));
    expect(text).toContain(
      '<testsuite name="loadtest.canary" tests="3" failures="2" errors="0" time="2.000" timestamp="1970-01-01T00:00:00.000Z">',
    );
    expect(text).toContain('<testcase classname="loadtest.canary" name="p50&lt;5ms" time="0"/>');
    expect(text).toContain('<failure message="errors is 1">errors is 1</failure>');
    expect(text).toContain('\nupstream green: 6 answers name it</system-out>');
    expect(text).toContain('<failure message="a &lt; b &amp; &quot;c&quot;">');
    // Every element that is opened is closed.
    for (const name of ['testsuites', 'testsuite', 'failure', 'system-out']) {
      expect(text.match(new RegExp(`<${name}[ >]`, 'g'))).toHaveLength(
        text.match(new RegExp(`</${name}>`, 'g'))?.length ?? 0,
      );
    }
  });

  test.each([
    ['<a href="b">\'c\' & d</a>', '&lt;a href=&quot;b&quot;&gt;&apos;c&apos; &amp; d&lt;/a&gt;'],
    ['a\u0000b\u001b[31mc', 'a\ufffdb\ufffd[31mc'],
    ['lone \ud800 surrogate', 'lone \ufffd surrogate'],
    ['tab\tand 😀 stay', 'tab\tand 😀 stay'],
    [']]>', ']]&gt;'],
  ])('escapes %j for XML', (text, escaped) => {
    expect(escapeXml(text)).toBe(escaped);
  });
});
