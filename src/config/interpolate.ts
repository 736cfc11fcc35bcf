import { mistake, type Parsed, quote, value } from './parsed.ts';

/** Where values come from. `readFile` gives the text of a file named relative to the configuration. */
export interface Sources {
  readonly env: NodeJS.ProcessEnv;
  readonly readFile: (path: string) => Parsed<string>;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/** True when the text has anything to be replaced. */
export function hasReferences(text: string): boolean {
  return text.includes('$');
}

/**
 * Replaces `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:PATH}` and `$$` in one string value. What is put in
 * is never looked at again, so that a value cannot name further variables.
 */
export function interpolate(text: string, sources: Sources): Parsed<string> {
  let result = '';
  let from = 0;
  for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', from)) {
    result += text.slice(from, at);
    const next = text[at + 1];
    if (next === '{') {
      const end = text.indexOf('}', at);
      if (end < 0) return mistake(`${quote(text.slice(at))} has no closing brace; write $$ for a dollar sign`);
      const replaced = resolve(text.slice(at + 2, end), sources);
      if (!replaced.ok) return replaced;
      result += replaced.value;
      from = end + 1;
    } else if (next === '$') {
      result += '$';
      from = at + 2;
    } else {
      const name = NAME.exec(text.slice(at + 1, at + 60))?.[0];
      if (name !== undefined)
        return mistake(`$${name} is not replaced; write \${${name}}, or $$${name} for the text itself`);
      result += '$';
      from = at + 1;
    }
  }
  return value(result + text.slice(from));
}

function resolve(reference: string, sources: Sources): Parsed<string> {
  if (reference.includes('$')) return mistake('a reference inside another is not replaced; use one variable for both');
  if (reference.startsWith('file:')) return fromFile(reference.slice('file:'.length), sources);
  const name = NAME.exec(reference)?.[0] ?? '';
  const rest = reference.slice(name.length);
  if (name === '' || !(rest === '' || rest.startsWith(':-') || rest.startsWith(':?'))) {
    return mistake(
      `${quote(`\${${reference}}`)} is not a reference; write \${VAR}, \${VAR:-default}, \${VAR:?message} or \${file:PATH}`,
    );
  }
  const found = sources.env[name];
  // An inherited property of a plain object is no variable.
  const set = typeof found === 'string' ? found : null;
  if (rest === '') {
    return set === null
      ? mistake(`the variable ${name} is not set; set it, or write \${${name}:-default}`)
      : value(set);
  }
  // As in a shell, the colon makes an empty variable count as unset.
  if (set !== null && set !== '') return value(set);
  const operand = rest.slice(2);
  if (rest.startsWith(':-')) return value(operand);
  return mistake(`the variable ${name} is not set: ${operand === '' ? 'it is required' : operand}`);
}

function fromFile(path: string, sources: Sources): Parsed<string> {
  if (path === '') return mistake(`\${file:} names no file; write \${file:PATH}`);
  const read = sources.readFile(path);
  return read.ok ? value(read.value.replace(/\r?\n$/, '')) : read;
}
