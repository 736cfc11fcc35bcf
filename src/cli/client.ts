import { readFile } from 'node:fs/promises';
import { Agent, type Dispatcher, request } from 'undici';
import type { Overview, ServiceView } from '../app/control-plane.ts';
import type { GlobalOptions } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import type { Io } from './io.ts';
import { problemError } from './problem.ts';
import { readServerSentEvents, type StreamPart } from './server-sent-events.ts';

const DEFAULT_ADMIN = 'http://127.0.0.1:9901';

/** A command changes something at once or fails; what takes longer is followed by polling. */
const ANSWER_TIMEOUT_MS = 30_000;

type Method = 'GET' | 'POST' | 'PUT';

/**
 * The admin API as the commands use it. Every failure is a CliError whose exit code says what kind it was: `unreachable`
 * when there is no answer, otherwise by the problem+json of the answer.
 */
export class AdminClient {
  private readonly address: AdminAddress;
  private readonly token: string | null;
  private readonly signal: AbortSignal;
  private readonly agent: Agent;

  constructor(address: AdminAddress, token: string | null, signal: AbortSignal) {
    this.address = address;
    this.token = token;
    this.signal = signal;
    this.agent = new Agent({
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: 0,
      connect: address.socketPath === null ? { timeout: 5_000 } : { timeout: 5_000, socketPath: address.socketPath },
    });
  }

  /** From `--admin`, `--token`, `--token-file` and their variables. Throws CliError `usage`. */
  static async from(options: GlobalOptions, io: Io): Promise<AdminClient> {
    const address = parseAdmin(options.admin ?? (io.env.TEALGATE_ADMIN || DEFAULT_ADMIN));
    return new AdminClient(address, await readToken(options, io), io.signal);
  }

  overview(): Promise<Overview> {
    return this.send<Overview>('GET', '/v1/services');
  }

  service(name: string): Promise<ServiceView> {
    return this.send<ServiceView>('GET', servicePath(name));
  }

  /** `T` is the API's documented answer to this call; the gate and its command-line tool are one package. */
  async send<T>(method: Method, path: string, body?: unknown, options: { ifVersion?: number } = {}): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (options.ifVersion !== undefined) headers['if-match'] = `"${options.ifVersion}"`;
    const answer = await this.exchange(method, path, headers, body === undefined ? null : JSON.stringify(body));
    const text = await this.guarded(() => answer.body.text());
    if (answer.statusCode >= 400) throw problemError(answer.statusCode, text);
    return parseAnswer(text, answer, this.address.shown) as T;
  }

  /** Status code of a GET, whatever it is. */
  async status(path: string): Promise<number> {
    const answer = await this.exchange('GET', path, {}, null);
    await this.guarded(() => answer.body.dump());
    return answer.statusCode;
  }

  /** The event stream; ends when the server ends it, throws `unreachable` when the connection breaks. */
  async *events(path: string): AsyncGenerator<StreamPart> {
    const answer = await this.exchange('GET', path, { accept: 'text/event-stream' }, null);
    if (answer.statusCode >= 400) throw problemError(answer.statusCode, await this.guarded(() => answer.body.text()));
    try {
      yield* readServerSentEvents(answer.body);
    } catch (error) {
      throw this.failure(error);
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private exchange(method: Method, path: string, headers: Record<string, string>, body: string | null) {
    if (this.token !== null) headers.authorization = `Bearer ${this.token}`;
    return this.guarded(() =>
      request(`${this.address.origin}${path}`, { method, headers, body, dispatcher: this.agent, signal: this.signal }),
    );
  }

  private async guarded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.failure(error);
    }
  }

  private failure(error: unknown): unknown {
    if (this.signal.aborted || error instanceof CliError) return error;
    const code = errorCode(error);
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
      return new CliError(EXIT.timeout, `${this.address.shown} did not answer within ${ANSWER_TIMEOUT_MS / 1000}s`, {
        cause: error,
      });
    }
    return new CliError(EXIT.unreachable, `cannot reach the admin endpoint ${this.address.shown} (${code})`, {
      hint: 'tealgate run --config FILE starts a gate; --admin URL or TEALGATE_ADMIN names another one',
      cause: error,
    });
  }
}

export function servicePath(service: string, rest = ''): string {
  return `/v1/services/${encodeURIComponent(service)}${rest}`;
}

export function upstreamPath(service: string, upstream: string, rest: string): string {
  return servicePath(service, `/upstreams/${encodeURIComponent(upstream)}${rest}`);
}

interface AdminAddress {
  /** Without a trailing slash. */
  readonly origin: string;
  readonly socketPath: string | null;
  /** As the user knows it. */
  readonly shown: string;
}

/** `http://host:port`, `host:port` or `unix:/path`. */
export function parseAdmin(text: string): AdminAddress {
  if (/^unix:./.test(text)) return { origin: 'http://localhost', socketPath: text.slice(5), shown: text };
  const url = text.includes('://') ? text : `http://${text}`;
  // Credentials have no use here, and would only end up in the log of a pipeline.
  const shown = url.replace(/\/\/[^/]*@/, '//');
  // A query or a fragment would swallow the path of every call.
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || /[?#]/.test(url) || text === 'unix:') {
    throw new CliError(EXIT.usage, `--admin ${text.includes('@') ? shown : text}: not an address`, {
      hint: `give it as ${DEFAULT_ADMIN} or unix:/run/tealgate/admin.sock`,
    });
  }
  return { origin: url.replace(/\/+$/, ''), socketPath: null, shown };
}

async function readToken(options: GlobalOptions, io: Io): Promise<string | null> {
  if (options.token !== undefined) return checkToken(options.token, '--token');
  // Trimmed like a file: secrets that an orchestrator sets often end with a line feed.
  const given = io.env.TEALGATE_TOKEN?.trim() || null;
  if (options.tokenFile === undefined) return given === null ? null : checkToken(given, 'TEALGATE_TOKEN');
  return checkToken(await readTokenFile(options.tokenFile), `--token-file ${options.tokenFile}`);
}

/** Throws CliError `usage` for what no header field could carry to the gate; the message does not tell the token. */
function checkToken(token: string, where: string): string {
  if (/^[!-~]+$/.test(token)) return token;
  const problem = token === '' ? 'is empty' : 'has a blank or a character outside ASCII';
  throw new CliError(EXIT.usage, `${where}: the token ${problem}`, { hint: 'give the token as it is in admin.tokens' });
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new CliError(EXIT.usage, `--token-file ${path}: cannot be read (${errorCode(error)})`, {
      cause: error,
    });
  }
}

function parseAnswer(text: string, answer: Dispatcher.ResponseData, shown: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    const type = String(answer.headers['content-type'] ?? 'something that is not JSON');
    throw new CliError(EXIT.unreachable, `${shown} answered with ${type}: not an admin endpoint of Tealgate`, {
      hint: 'use the address in the log line "listening" under "admin"',
      cause: error,
    });
  }
}

function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message || error.name : String(error);
}
