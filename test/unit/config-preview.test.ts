import { describe, expect, it } from 'vitest';
import { describeChanges } from '../../src/config/diff.ts';
import { accepted, refused, service } from '../support/config-text.ts';

const previewOf = (text: string) => accepted(service(`preview: ${text}`)).services.shop?.preview;

describe('a preview', () => {
  it('is off unless it is asked for', () => {
    expect(accepted(service('expose: true')).services.shop?.preview).toBeNull();
    expect(previewOf('none')).toBeNull();
  });

  it('is a field, a cookie or a host, each with a value of its own or without', () => {
    expect(previewOf('{header: X-Preview, cookie: {name: Look, value: s3cret}, hosts: [Green.Shop.test]}')).toEqual({
      header: { name: 'x-preview', value: null },
      cookie: { name: 'Look', value: 's3cret' },
      hosts: ['green.shop.test'],
    });
  });

  it.each([
    [
      'that asks for nothing',
      '{}',
      '5:14 services.shop.preview: asks for nothing; give `header`, `cookie` or `hosts`, or none',
    ],
    [
      'by a key it has not',
      '{headers: x, cookie: c}',
      '5:15 services.shop.preview.headers: is not a known key; did you mean header?',
    ],
    ['by a wildcard host', '{hosts: ["*.shop.test"]}', expect.stringContaining('"*.shop.test" is not a host name')],
    [
      'by a value that ends a cookie',
      '{cookie: {name: a, value: "b;c"}}',
      expect.stringContaining('"b;c" is not a value'),
    ],
    ['by a field that is none', '{header: "x preview"}', expect.stringContaining('"x preview" is not a header name')],
  ])('%s is refused', (_what, text, problem) => {
    expect(refused(service(`preview: ${text}`))).toEqual([problem]);
  });

  it('has hosts that nobody else has', () => {
    const [first] = refused(service('hosts: [a.test]\npreview: {hosts: [a.test]}'));
    expect(first).toBe(
      '6:23 services.shop.preview.hosts[0]: a.test belongs to service shop; give the preview a host of its own',
    );
  });

  it('is told of in a reload without the value that opens it', () => {
    const before = accepted(service('expose: true'));
    const after = accepted(service('expose: true\npreview: {header: {name: x-p, value: s3cret}, hosts: [p.test]}'));
    const other = accepted(service('expose: true\npreview: {header: {name: x-p, value: other}, hosts: [p.test]}'));
    expect(describeChanges(before, after)).toEqual(['service shop: preview none → header x-p, host p.test']);
    expect(describeChanges(after, other)).toEqual(['service shop: preview: a value changed']);
  });
});
