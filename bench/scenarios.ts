import { LAYOUTS, type Layout } from './layouts.ts';

/** What is sent, the same to every peer. */
export interface RequestSpec {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly chunked: boolean;
}

/**
 * `closed`: as many requests as the proxy takes, from so many connections. `paced`: at a fixed rate, whatever becomes of
 * those before, over so many connections. `websocket`: messages echoed, as many as it takes. `idle`: connections that do nothing.
 */
export type Load =
  | {
      readonly kind: 'closed';
      readonly request: RequestSpec;
      readonly connections: number;
      /** Each request is for another service than the one before it, on every connection; otherwise all for one. */
      readonly spread?: boolean;
    }
  /** HTTP/2: so many requests at once on each connection. */
  | { readonly kind: 'h2'; readonly request: RequestSpec; readonly connections: number; readonly streams: number }
  | { readonly kind: 'paced'; readonly request: RequestSpec; readonly connections: number }
  | { readonly kind: 'websocket'; readonly connections: number; readonly messageBytes: number }
  | { readonly kind: 'idle'; readonly connections: { readonly quick: number; readonly full: number } };

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly layout: Layout;
  readonly load: Load;
  /** What an operator does meanwhile. */
  readonly during?: 'switches' | 'rollout';
  /** Part of `quick`. */
  readonly quick?: boolean;
}

const GET: RequestSpec = { method: 'GET', path: '/', headers: {}, bodyBytes: 0, chunked: false };
const BROWSER: RequestSpec = { ...GET, path: '/', headers: browserHeaders() };
const CONNECTIONS = 64;

function get(path: string, connections = CONNECTIONS): Load {
  return { kind: 'closed', request: { ...GET, path }, connections };
}

function upload(bodyBytes: number, chunked: boolean): Load {
  return { kind: 'closed', request: { ...GET, method: 'POST', path: '/upload', bodyBytes, chunked }, connections: 16 };
}

export const SCENARIOS: readonly Scenario[] = [
  { id: 'small', title: 'small GET', layout: LAYOUTS.base, load: get('/'), quick: true },
  {
    id: 'browser',
    title: 'GET with a browser’s header (15 fields, 800 bytes)',
    layout: LAYOUTS.base,
    load: { kind: 'closed', request: BROWSER, connections: CONNECTIONS },
    quick: true,
  },
  {
    id: 'latency',
    title: 'small GET at a fixed rate, half of what nginx takes at most',
    layout: LAYOUTS.base,
    load: { kind: 'paced', request: GET, connections: 512 },
  },
  { id: 'connections-512', title: 'small GET over 512 connections', layout: LAYOUTS.base, load: get('/', 512) },
  { id: '1k', title: 'response of 1 KiB', layout: LAYOUTS.base, load: get('/1k') },
  { id: '100k', title: 'response of 100 KiB', layout: LAYOUTS.base, load: get('/100k'), quick: true },
  { id: '10m', title: 'response of 10 MiB', layout: LAYOUTS.base, load: get('/10m', 8) },
  {
    id: 'upload-10k',
    title: 'upload of 10 KiB, Content-Length',
    layout: LAYOUTS.sink,
    load: upload(10 * 1024, false),
  },
  { id: 'upload-10k-chunked', title: 'upload of 10 KiB, chunked', layout: LAYOUTS.sink, load: upload(10 * 1024, true) },
  { id: 'upload-1m', title: 'upload of 1 MiB, Content-Length', layout: LAYOUTS.sink, load: upload(1024 * 1024, false) },
  { id: 'upload-1m-chunked', title: 'upload of 1 MiB, chunked', layout: LAYOUTS.sink, load: upload(1024 * 1024, true) },
  {
    id: 'connection',
    title: 'new connection for each request',
    layout: LAYOUTS.base,
    load: { kind: 'closed', request: { ...GET, headers: { Connection: 'close' } }, connections: CONNECTIONS },
  },
  { id: 'tls', title: 'small GET over TLS', layout: LAYOUTS.https, load: get('/') },
  { id: 'tls-100k', title: 'response of 100 KiB over TLS', layout: LAYOUTS.https, load: get('/100k') },
  {
    id: 'tls-connection',
    title: 'new TLS connection for each request',
    layout: LAYOUTS.https,
    load: { kind: 'closed', request: { ...GET, headers: { Connection: 'close' } }, connections: 16 },
  },
  {
    id: 'h2',
    title: 'small GET over HTTP/2 and TLS, 8 connections with 8 streams each',
    layout: LAYOUTS.h2,
    load: { kind: 'h2', request: GET, connections: 8, streams: 8 },
  },
  {
    id: 'h2-100k',
    title: 'response of 100 KiB over HTTP/2 and TLS',
    layout: LAYOUTS.h2,
    load: { kind: 'h2', request: { ...GET, path: '/100k' }, connections: 8, streams: 4 },
  },
  {
    id: 'websocket',
    title: 'WebSocket message of 64 bytes, echoed',
    layout: LAYOUTS.sink,
    load: { kind: 'websocket', connections: 32, messageBytes: 64 },
  },
  {
    id: 'idle',
    title: 'idle keep-alive connections',
    layout: LAYOUTS.idle,
    load: { kind: 'idle', connections: { quick: 2000, full: 10_000 } },
  },
  { id: 'access-log', title: 'small GET with an access log', layout: LAYOUTS.accessLog, load: get('/') },
  { id: 'services-100', title: 'small GET, 100 services', layout: LAYOUTS.services100, load: get('/') },
  { id: 'services-1000', title: 'small GET, 1,000 services', layout: LAYOUTS.services1000, load: get('/') },
  {
    id: 'services-1000-spread',
    title: 'small GET, 1,000 services in turn',
    layout: LAYOUTS.services1000,
    load: { kind: 'closed', request: GET, connections: CONNECTIONS, spread: true },
  },
  { id: 'targets-100', title: 'small GET, 100 targets', layout: LAYOUTS.targets100, load: get('/') },
  { id: 'workers-2', title: 'small GET, 2 workers on the one core', layout: LAYOUTS.workers2, load: get('/') },
  {
    id: 'switches',
    title: 'small GET during 10 switches a second',
    layout: LAYOUTS.switched,
    load: get('/'),
    during: 'switches',
  },
  { id: 'rollout', title: 'small GET during a rollout', layout: LAYOUTS.rollout, load: get('/'), during: 'rollout' },
];

export function browserHeaders(): Readonly<Record<string, string>> {
  return {
    'User-Agent':
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
    'Accept-Encoding': 'gzip, deflate, br, zstd',
    'Cache-Control': 'max-age=0',
    Referer: 'https://svc0.test/catalogue/teapots?page=2&sort=price',
    'Sec-CH-UA': '"Chromium";v="126", "Not/A)Brand";v="8"',
    'Sec-CH-UA-Mobile': '?0',
    'Sec-CH-UA-Platform': '"Linux"',
    'Sec-Fetch-Dest': 'document',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Site': 'same-origin',
    'Upgrade-Insecure-Requests': '1',
    Cookie: 'session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1.2.0; basket=eyJpZCI6MTIzNDU2fQ',
  };
}
