/** A part of a stream as WHATWG HTML §9.2 defines it. Comments are kept: the gate says by one that history has ended. */
export type StreamPart =
  | { readonly kind: 'event'; readonly id: string; readonly event: string; readonly data: string }
  | { readonly kind: 'comment'; readonly text: string };

/** Splits a byte stream into events. An unfinished event at the end is dropped, as the standard asks. */
export async function* readServerSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamPart> {
  const decoder = new TextDecoder();
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { kind: 'event', id, event: event || 'message', data: data.join('\n') };
        event = '';
        data = [];
        continue;
      }
      const [field, value] = splitField(line);
      if (field === '') yield { kind: 'comment', text: value };
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id') id = value;
    }
  }
}

function splitField(line: string): [field: string, value: string] {
  const colon = line.indexOf(':');
  if (colon === -1) return [line, ''];
  return [line.slice(0, colon), line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)];
}
