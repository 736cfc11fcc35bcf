import { describe, expect, it, onTestFinished } from 'vitest';
import { fillQuery, unknownVariables } from '../../src/config/query-template.ts';
import { queryPrometheus, readQueryAnswer } from '../../src/rollout/prometheus.ts';
import { openReceiver } from '../support/receiver.ts';

const success = (data: unknown): string => JSON.stringify({ status: 'success', data });
const vector = (...values: string[]): string =>
  success({ resultType: 'vector', result: values.map((text) => ({ metric: {}, value: [1_700_000_000, text] })) });

describe('the answer to a query', () => {
  it('is a number when it is one series or a scalar', () => {
    expect(readQueryAnswer(200, vector('0.25'))).toEqual({ kind: 'value', value: 0.25 });
    expect(readQueryAnswer(200, success({ resultType: 'scalar', result: [1, '3'] }))).toEqual({
      kind: 'value',
      value: 3,
    });
  });

  it('keeps infinity as the largest number that JSON holds', () => {
    expect(readQueryAnswer(200, vector('+Inf'))).toEqual({ kind: 'value', value: Number.MAX_VALUE });
    expect(readQueryAnswer(200, vector('-Inf'))).toEqual({ kind: 'value', value: -Number.MAX_VALUE });
  });

  it('is no data when there is no series, or NaN', () => {
    expect(readQueryAnswer(200, vector())).toEqual({ kind: 'no_data', detail: 'the query found no series' });
    expect(readQueryAnswer(200, vector('NaN'))).toEqual({ kind: 'no_data', detail: 'the query gives NaN' });
  });

  it('is an error when there are several series: which one is meant is not guessed', () => {
    expect(readQueryAnswer(200, vector('1', '2'))).toEqual({
      kind: 'error',
      detail: 'the query gives 2 series and not one number; aggregate them, as with sum()',
    });
  });

  it.each([
    ['a matrix', success({ resultType: 'matrix', result: [] })],
    ['a string', success({ resultType: 'string', result: [1, 'x'] })],
    ['a histogram', success({ resultType: 'vector', result: [{ metric: {}, histogram: [1, {}] }] })],
    ['text for a number', vector('lots')],
    ['an empty number', vector('')],
    ['no data field', JSON.stringify({ status: 'success' })],
    ['HTML', '<html></html>'],
    ['JSON that is no object', '[]'],
    ['nothing', ''],
  ])('is an error when it is %s', (_, body) => {
    expect(readQueryAnswer(200, body).kind).toBe('error');
  });

  it('tells what Prometheus said about a query it refused', () => {
    const body = JSON.stringify({ status: 'error', errorType: 'bad_data', error: 'parse error: unexpected end' });
    expect(readQueryAnswer(400, body)).toEqual({
      kind: 'error',
      detail: 'Prometheus answered 400: parse error: unexpected end',
    });
  });
});

describe('a query', () => {
  const options = { timeoutMs: 1000, signal: new AbortController().signal };

  it('is posted as a form, with credentials, under the path of the server', async () => {
    const server = await openReceiver(() => ({ status: 200, body: vector('1') }));
    onTestFinished(() => server.close());
    const at = { url: `http://127.0.0.1:${server.port}/prometheus/`, authorization: 'Bearer abc' };
    expect(await queryPrometheus(at, 'sum(rate(x{a="b&c"}[1m]))', options)).toEqual({ kind: 'value', value: 1 });
    const [request] = server.received;
    expect(request?.path).toBe('/prometheus/api/v1/query');
    expect(request?.headers.authorization).toBe('Bearer abc');
    expect(new URLSearchParams(request?.body).get('query')).toBe('sum(rate(x{a="b&c"}[1m]))');
  });

  it('comes to an error when nobody answers', async () => {
    const server = await openReceiver();
    await server.close();
    const at = { url: server.url, authorization: null };
    expect(await queryPrometheus(at, 'up', options)).toMatchObject({
      kind: 'error',
      detail: expect.stringMatching(/^Prometheus did not answer: /),
    });
  });
});

describe('variables of a query', () => {
  const names = { service: 'shop', upstream: 'green', stable: 'blue', candidate: 'green' };

  it('are filled in wherever they stand', () => {
    expect(fillQuery('x{a="{{service}}",b="{{ upstream }}"} - x{b="{{stable}}"} / {{candidate}}', names)).toBe(
      'x{a="shop",b="green"} - x{b="blue"} / green',
    );
  });

  it('are named when nothing stands for them', () => {
    expect(unknownVariables('{{service}} {{namespace}} {{ }} {{Service}}')).toEqual(['namespace', '', 'Service']);
  });

  it('never bring anything into the query but the characters of names', () => {
    expect(() => fillQuery('x{a="{{service}}"}', { ...names, service: 'a"} or vector(0) #' })).toThrow(/service/);
  });

  it('are not looked for in what was filled in, and leave braces of the language alone', () => {
    expect(fillQuery('x{a="b"} and {{unknown}}', names)).toBe('x{a="b"} and {{unknown}}');
  });
});
