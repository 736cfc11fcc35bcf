import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { shopPage } from './shop-page.ts';

/** How the demo starts a version of the shop: the process's only argument, as JSON. */
export interface ShopOptions {
  readonly version: string;
  readonly colour: string;
  /** One request in this many fails with 500; 0: none does. Health checks never fail: that is the point. */
  readonly failsOneIn: number;
}

/** What a version did, asked for over the process's message channel. */
export interface ShopReport {
  /** Requests for pages, products and orders, failed ones included. */
  readonly requests: number;
  readonly failed: number;
  /** Ids of the orders taken, each as often as it was taken. */
  readonly orders: readonly string[];
}

export type ShopMessage =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'report'; readonly report: ShopReport };

/** Marks each request of the load, so that an answer can be told from another's. */
export const ID_HEADER = 'x-demo-id';
export const VERSION_HEADER = 'x-shop-version';

const PRODUCTS = [
  { name: 'Teal mug', price: 12 },
  { name: 'Gate key', price: 30 },
  { name: 'Canary feather', price: 3 },
];
const EVENT_EVERY_MS = 250;

class Shop {
  private readonly options: ShopOptions;
  private requests = 0;
  private failed = 0;
  private readonly orders: string[] = [];
  private readonly http = createServer((request, response) => this.answer(request, response));

  constructor(options: ShopOptions) {
    this.options = options;
    this.liveMessages();
  }

  listen(done: (port: number) => void): void {
    this.http.keepAliveTimeout = 60_000;
    this.http.listen(0, '127.0.0.1', () => done((this.http.address() as AddressInfo).port));
  }

  report(): ShopReport {
    return { requests: this.requests, failed: this.failed, orders: this.orders };
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const id = String(request.headers[ID_HEADER] ?? '');
    response.setHeader(VERSION_HEADER, this.options.version);
    response.setHeader(ID_HEADER, id);
    const call = `${request.method} ${request.url}`;
    if (call === 'GET /healthz') response.end('ok\n');
    else if (call === 'GET /events') this.events(response);
    else this.serve(call, id, request, response);
  }

  private serve(call: string, id: string, request: IncomingMessage, response: ServerResponse): void {
    this.requests++;
    const { failsOneIn, version, colour } = this.options;
    if (failsOneIn > 0 && this.requests % failsOneIn === 0) {
      this.failed++;
      request.resume();
      sendJson(response, 500, { version, id, error: 'the new recommendation engine has no idea' });
    } else if (call === 'GET /') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(shopPage(version, colour));
    } else if (call === 'GET /api/products') sendJson(response, 200, { version, id, products: PRODUCTS });
    else if (call === 'POST /api/orders') this.order(id, request, response);
    else sendJson(response, 404, { version, id, error: 'no such page' });
  }

  private order(id: string, request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      this.orders.push(id);
      sendJson(response, 201, { version: this.options.version, id, ordered: JSON.parse(body) });
    });
  }

  private events(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    let n = 0;
    const send = () => response.write(`id: ${++n}\ndata: {"version":"${this.options.version}","n":${n}}\n\n`);
    send();
    const timer = setInterval(send, EVENT_EVERY_MS);
    response.on('close', () => clearInterval(timer));
  }

  private liveMessages(): void {
    const sockets = new WebSocketServer({ server: this.http, path: '/live' });
    sockets.on('connection', (socket) => {
      socket.on('error', () => socket.terminate());
      socket.on('message', (data) =>
        socket.send(JSON.stringify({ version: this.options.version, echo: String(data) })),
      );
    });
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function tell(message: ShopMessage): void {
  process.send?.(message);
}

if (import.meta.main) {
  // The demo writes the argument itself.
  const shop = new Shop(JSON.parse(process.argv[2] ?? '') as ShopOptions);
  process.on('message', () => tell({ type: 'report', report: shop.report() }));
  // Ctrl-C reaches the whole group of processes; the demo ends its shops itself, when the gate has drained.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit());
  shop.listen((port) => tell({ type: 'listening', port }));
}
