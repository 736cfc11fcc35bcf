import { z } from 'zod';
import { parseHostName } from './address.ts';
import type { PreviewConfig, PreviewKeyConfig } from './config.ts';
import { mistake, quote, value } from './parsed.ts';
import { cookieName, headerName, object, text } from './values.ts';

/** What a preview field or cookie holds: visible ASCII without what separates cookies. */
const previewValue = text((raw) =>
  /^[!#-+\--:<-[\]-~]{1,256}$/.test(raw)
    ? value(raw)
    : mistake(`${quote(raw)} is not a value for it; use up to 256 letters, digits and dashes`),
);

const VALUE =
  'The one value that asks for the candidate. Without it, the value is `candidate` or the name of any upstream.';

const headerKeySchema = z.union(
  [
    headerName.transform((name) => ({ name, value: undefined })),
    object({ name: headerName.describe('Of the field.'), value: previewValue.optional().describe(VALUE) }),
  ],
  { error: 'give a header name, or a map of `name` and `value`' },
);

const cookieKeySchema = z.union(
  [
    cookieName.transform((name) => ({ name, value: undefined })),
    object({ name: cookieName.describe('Of the cookie.'), value: previewValue.optional().describe(VALUE) }),
  ],
  { error: 'give a cookie name, or a map of `name` and `value`' },
);

const previewMap = object({
  header: headerKeySchema.optional().describe('A request field, such as `x-preview`.'),
  cookie: cookieKeySchema.optional().describe('A cookie, such as `preview`.'),
  hosts: z
    .array(text(parseHostName))
    .prefault([])
    .describe('Host names that always reach the candidate, besides the ones of the service.'),
}).transform(({ header, cookie, hosts }): PreviewConfig => ({ header: toKey(header), cookie: toKey(cookie), hosts }));

/** `none`, or how a request asks for an upstream. */
export const previewSchema = z.union([z.literal('none').transform((): null => null), previewMap], {
  error: 'give none, or a map with `header`, `cookie` or `hosts`',
});

function toKey(
  key: { readonly name: string; readonly value?: string | undefined } | undefined,
): PreviewKeyConfig | null {
  return key === undefined ? null : { name: key.name, value: key.value ?? null };
}
