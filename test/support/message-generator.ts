/** A small, fast, seeded source of numbers (xorshift32): the same seed gives the same messages everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T; // never empty
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'M-SEARCH', 'TRACE'];
const ODD_METHODS = [
  'get',
  'REPORTX',
  'CONNECT',
  'G(T',
  '',
  'PRI',
  'GET ',
  ' GET',
  'GET\t',
  'G\x00T',
  'QUERY',
  "!#$%&'*+-.^_`|~",
];
const TARGETS = [
  '/',
  '/a',
  '/a/b?c=d',
  '//x/y',
  '/?',
  '/%00%zz',
  '/a;b=c',
  '/~{}|"<>\\^`[]',
  'http://h.test/a',
  'http://h.test',
  'http://h.test?x',
  'http://[::1]:80/x',
  'HTTPS://h.test:443/',
];
const ODD_TARGETS = [
  '*',
  '',
  'a',
  '?x',
  '/a b',
  '/a#b',
  '/\xe9',
  '/\x00',
  '/\x7f',
  'ftp://h/',
  'http://',
  'http:///x',
  'http://u@h/',
  'http://h:99999/',
  'http://h_x/',
  'http://h,i/',
  '/\r',
  '/\n',
  'h.test:80',
];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'];
const ODD_VERSIONS = [
  'HTTP/1.2',
  'HTTP/2.0',
  'http/1.1',
  'HTTP/1.',
  'HTTP/1.11',
  'HTTP/1.1 ',
  ' HTTP/1.1',
  'HTTP /1.1',
  'HTTP/0.9',
  'ICE/1.1',
  'RTSP/1.0',
  '',
];
const HOSTS = [
  'Host: h.test',
  'Host: h.test',
  'host:h.test',
  'HOST:\th.test:80 ',
  'Host: [::1]:8080',
  'Host: 127.0.0.1',
];
const ODD_HOSTS = [
  '',
  'Host: a b',
  'Host:',
  'Host: a\r\nHost: b',
  'Host : a',
  ' Host: a',
  'Host: a,b',
  'Host: u@h',
  'Host: h/x',
  'Host: \xe9',
];
const FIELDS = [
  'X-A: b',
  'x-empty:',
  'X-Ws: \t a \t b \t ',
  'X-Obs: \x80\xff\xe9',
  'Cookie: a=b; c=d',
  'Cookie: e=f',
  'Accept: */*',
  'X_Under_Score: 1',
  "!#$%&'*+-.^_`|~09: token",
  'Via: 1.1 other',
  'Connection: keep-alive',
  'Connection: keep-alive, X-A',
  'Connection:',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Expect: 100-continue',
  'Expect: other',
  'Upgrade: websocket',
  'Connection: upgrade',
  'Transfer_Encoding: chunked',
  'Content_Length: 5',
  'X-Forwarded-For: 1.2.3.4',
  'Proxy-Connection: close',
  'Max-Forwards: 3',
  'Trailer: X-T',
];
const ODD_FIELDS = [
  'X A: b',
  ': b',
  'X-A',
  'X-A : b',
  'X-A\t: b',
  '\xe9: b',
  'X-A: b\x00c',
  'X-A: b\rc',
  'X-A: b\nc',
  'X-A: b\r\n c',
  'X-A: b\r\n\tc',
  'X-A: \x07',
  'X-A: \x7f',
  'X(A): b',
  'X-\x00A: b',
  'Content-Length: 3',
  'Content-Length: 03',
  'Content-Length: +3',
  'Content-Length: 3, 3',
  'Content-Length: 99999999999999999999',
  'Content-Length:',
  'Content-Length: 0x3',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: CHUNKED \t',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: ',
  'Transfer-Encoding:\x0bchunked',
  'Connection: close',
  'Connection: a b',
  'Connection: \x80',
  'Connection: ,,close ,',
];
const BODIES = [
  '',
  'a',
  'abc',
  'hello world',
  'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
  '0\r\n\r\n',
  '\r\n\r\n',
  '\x00\xff',
];
const EXTENSIONS = ['', '', '', '', ';a', ';a=b', ';a="b c"', ';a=b;c=d'];
const ODD_EXTENSIONS = [
  ';',
  ' ',
  ' ;a',
  ';a ',
  ';a = b',
  ';;',
  ';a="',
  ';a="\\""',
  ';\x80',
  ';a\x00',
  ';a\n',
  ';(',
  ';a=b c',
  ';"a"',
  ';a==b',
  '\t',
];
const TRAILERS = [
  '',
  '',
  '',
  'X-T: a\r\n',
  'X-T: a\r\nX-U:\r\n',
  'Host: other\r\n',
  'Cookie: a=b\r\n',
  'x-t:\t\xff \r\n',
];
const ODD_TRAILERS = [
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X T: a\r\n',
  ': a\r\n',
  'X-T\r\n',
  'X-T: a\n',
  'X-T : a\r\n',
  ' X-T: a\r\n',
  'X-T: \x00\r\n',
  'Connection: close\r\n',
  'Upgrade: x\r\n',
];

/** Part of a grammar where nearly all draws are valid and one in `rarity` is odd. */
function pick(random: Random, usual: readonly string[], odd: readonly string[], rarity: number): string {
  return random.once(rarity) ? random.of(odd) : random.of(usual);
}

function fieldLines(random: Random): string[] {
  const lines: string[] = [];
  for (let i = random.below(5); i > 0; i--) lines.push(pick(random, FIELDS, ODD_FIELDS, 12));
  return lines;
}

function chunkedBody(random: Random): string {
  let body = '';
  for (let i = random.below(4); i > 0; i--) {
    const data = random.of(BODIES.slice(1));
    const size = random.once(15)
      ? random.of(['0x3', '+3', '-3', ' 3', '3 ', '03', '000000000003', 'g', '', 'ffffffffffffffffff', '4'])
      : data.length.toString(16);
    const end = random.once(30) ? random.of(['\n', '', '\r', '\r\r\n', '\r\nx']) : '\r\n';
    body += `${random.once(6) ? size.toUpperCase() : size}${pick(random, EXTENSIONS, ODD_EXTENSIONS, 12)}\r\n${data}${end}`;
  }
  const last = random.once(20) ? random.of(['00', '000', '0x0', '-0', '0 ', '0;a']) : '0';
  return `${body}${last}\r\n${pick(random, TRAILERS, ODD_TRAILERS, 12)}${random.once(40) ? random.of(['\n', '\r', '\r\r\n']) : '\r\n'}`;
}

/** Framing field lines and the body they promise. */
function framing(random: Random): { lines: string[]; body: string } {
  const body = random.of(BODIES);
  switch (random.below(5)) {
    case 0:
      return { lines: [`Content-Length: ${body.length}`], body };
    case 1:
    case 2:
      return {
        lines: [random.of(['Transfer-Encoding: chunked', 'transfer-encoding:chunked', 'Transfer-Encoding: Chunked'])],
        body: chunkedBody(random),
      };
    default:
      return { lines: [], body: random.once(10) ? body : '' };
  }
}

/** A request as a byte string: valid, nearly valid, or broken. */
export function generateRequest(random: Random): Buffer {
  const { lines, body } = framing(random);
  const fields = [...fieldLines(random), pick(random, HOSTS, ODD_HOSTS, 15), ...lines];
  if (random.once(3)) shuffle(random, fields);
  const line = `${pick(random, METHODS, ODD_METHODS, 20)} ${pick(random, TARGETS, ODD_TARGETS, 15)} ${pick(random, VERSIONS, ODD_VERSIONS, 25)}`;
  const lead = random.once(20) ? random.of(['\r\n', '\r\n\r\n', '\n', ' ', '\r']) : '';
  const text = `${lead}${[line, ...fields.filter((field) => field !== '')].join('\r\n')}\r\n\r\n${body}`;
  return mutate(random, Buffer.from(text, 'latin1'));
}

const STATUS_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 200 ',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 599 d\xe9j\xe0',
];
const ODD_STATUS_LINES = [
  'HTTP/1.1 200',
  'HTTP/1.1  200 OK',
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1 abc OK',
  'HTTP/2.0 200 OK',
  'HTTP/1.1\t200 OK',
  'HTTP/1.1 200 O\x00K',
  'HTTP/1.1 099 X',
  'HTTP/1.1 999 X',
  'http/1.1 200 OK',
  'HTTP/1.1 200OK',
  ' HTTP/1.1 200 OK',
  'HTTP/1.1 -20 X',
];

/** A response as a byte string: valid, nearly valid, or broken. */
export function generateResponse(random: Random): Buffer {
  const { lines, body } = framing(random);
  const fields = [...fieldLines(random), ...lines];
  if (random.once(3)) shuffle(random, fields);
  const text = `${[pick(random, STATUS_LINES, ODD_STATUS_LINES, 12), ...fields].join('\r\n')}\r\n\r\n${body}`;
  return mutate(random, Buffer.from(text, 'latin1'));
}

function shuffle(random: Random, items: string[]): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j] as string, items[i] as string]; // both within
  }
}

const OCTETS = [0, 9, 10, 11, 13, 32, 34, 35, 44, 45, 47, 48, 58, 59, 61, 64, 95, 127, 128, 255];

/** Two in three messages stay as they are; the others lose, gain, change or repeat a few octets. */
function mutate(random: Random, bytes: Buffer): Buffer {
  if (random.below(3) > 0 || bytes.length === 0) return bytes;
  let mutated = bytes;
  for (let i = 1 + random.below(2); i > 0; i--) {
    const at = random.below(mutated.length + 1);
    const octet = Buffer.of(random.once(2) ? random.of(OCTETS) : random.below(256));
    const [before, after] = [mutated.subarray(0, at), mutated.subarray(at)];
    switch (random.below(5)) {
      case 0:
        mutated = Buffer.concat([before, octet, after]);
        break;
      case 1:
        mutated = Buffer.concat([before, after.subarray(1)]);
        break;
      case 2:
        mutated = Buffer.concat([before, octet, after.subarray(1)]);
        break;
      case 3:
        mutated = Buffer.concat([before, after.subarray(0, random.below(20)), after]);
        break;
      default:
        mutated = Buffer.concat([
          before,
          Buffer.from(
            random.of(['\r\n', '\n', '\r', ' ', '\r\n ', '\r\nContent-Length: 3', '\r\nTransfer-Encoding: chunked']),
          ),
          after,
        ]);
    }
  }
  return mutated;
}

/** llhttp refuses framing fields behind a body; we drop them, and frame anew what we send on (RFC 9110 §6.5.1). */
export function hasFramingTrailer(trailers: readonly string[]): boolean {
  return trailers.some((line) => /^(content-length|transfer-encoding):/i.test(line));
}
