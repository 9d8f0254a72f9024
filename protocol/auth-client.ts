/**
 * Accounts over HTTP: sign-up, sign-in, refresh, sign-out, socket tickets. Keeps the token pair in memory and renews it
 * before it expires. Stores nothing; a program that wants to stay signed in keeps `tokens` itself.
 */
import { type ClientClock, systemClientClock } from './client/environment.ts';
import { asTsumugiError, errorOfHttp, TsumugiError } from './client/error.ts';
import type { TokenPair } from './identity.ts';

export type Tokens = { userId: string; accessToken: string; refreshToken: string | undefined; expiresAtMs: number };
export type SignUp = { email: string; password: string; displayName?: string; locale?: 'en' | 'ja'; timeZone?: string };

export type AuthClientOptions = {
  /** Origin of the server, e.g. `http://127.0.0.1:3000`; in a page `''` or `location.origin`. */
  url: string;
  /** In a page: the server keeps the refresh token in an HttpOnly cookie, scripts never see it. */
  browser?: boolean;
  tokens?: Tokens;
  fetch?: typeof globalThis.fetch;
  clock?: ClientClock;
  /** For one request, milliseconds. Default 15,000. */
  timeoutMs?: number;
};

/** Renewed this long before its end, so that a request that is under way does not meet an expired token. */
const renewBeforeMs = 30_000;

export class AuthClient {
  readonly #options: AuthClientOptions;
  readonly #clock: ClientClock;
  #tokens: Tokens | undefined;
  #refreshing: Promise<Tokens> | undefined;

  constructor(options: AuthClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClientClock;
    this.#tokens = options.tokens;
  }

  get tokens(): Tokens | undefined {
    return this.#tokens;
  }

  /** @throws TsumugiError `identity.email_taken`, `identity.weak_password`, `protocol.rate_limited`, … */
  signUp(account: SignUp): Promise<Tokens> {
    return this.#signInBy('/auth/sign-up', account);
  }

  /** @throws TsumugiError `identity.invalid_credentials`, `protocol.rate_limited`, … */
  signIn(email: string, password: string): Promise<Tokens> {
    return this.#signInBy('/auth/sign-in', { email, password });
  }

  /**
   * A new pair. Several calls at once share one request, since a refresh token used twice ends the session.
   * @throws TsumugiError `identity.unauthenticated`, `identity.token_reused`
   */
  refresh(): Promise<Tokens> {
    this.#refreshing ??= this.#doRefresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** An access token that is good for a while yet. @throws TsumugiError `identity.unauthenticated` when signed out. */
  async accessToken(): Promise<string> {
    const tokens = this.#tokens;
    if (tokens !== undefined && tokens.expiresAtMs - renewBeforeMs > this.#clock.now()) return tokens.accessToken;
    if (tokens === undefined && this.#options.browser !== true) {
      throw new TsumugiError('identity.unauthenticated', 'Sign in first.');
    }
    return (await this.refresh()).accessToken;
  }

  /** A ticket for one socket. An access token that the server has forgotten is renewed once. */
  async socketTicket(): Promise<string> {
    const post = (path: string, headers: Record<string, string>) => this.#post(path, {}, headers);
    const accessToken = await this.accessToken();
    try {
      return await fetchTicket(accessToken, post);
    } catch (error) {
      if (!(error instanceof TsumugiError) || error.code !== 'identity.unauthenticated') throw error;
      // Somebody else may have renewed it meanwhile.
      if (this.#tokens?.accessToken === accessToken) await this.refresh();
      return fetchTicket(await this.accessToken(), post);
    }
  }

  /** Ends the session, or all of the account's. */
  async signOut(options: { all?: boolean } = {}): Promise<void> {
    const accessToken = await this.accessToken();
    await this.#post('/auth/sign-out', options, { authorization: `Bearer ${accessToken}` });
    this.#tokens = undefined;
  }

  async #doRefresh(): Promise<Tokens> {
    const refreshToken = this.#tokens?.refreshToken;
    try {
      return await this.#signInBy('/auth/refresh', refreshToken === undefined ? {} : { refreshToken });
    } catch (error) {
      // Only a refusal ends the session; a server that is away does not.
      if (error instanceof TsumugiError && error.code.startsWith('identity.')) this.#tokens = undefined;
      throw error;
    }
  }

  async #signInBy(path: string, body: object): Promise<Tokens> {
    const pair = (await this.#post(path, body)) as TokenPair;
    this.#tokens = {
      userId: pair.userId,
      accessToken: pair.accessToken,
      refreshToken: pair.refreshToken,
      expiresAtMs: this.#clock.now() + pair.expiresInS * 1000,
    };
    return this.#tokens;
  }

  #post(path: string, body: object, headers: Record<string, string> = {}): Promise<unknown> {
    return postJson(this.#options.url + path, body, {
      headers: this.#options.browser === true ? { ...headers, 'x-tsumugi-client': 'browser' } : headers,
      fetch: this.#options.fetch ?? globalThis.fetch,
      timeoutMs: this.#options.timeoutMs ?? 15_000,
    });
  }
}

/** @param post sends `{}` to a path with headers; answers the parsed body. */
export async function fetchTicket(
  accessToken: string,
  post: (path: string, headers: Record<string, string>) => Promise<unknown>,
): Promise<string> {
  const { ticket } = (await post('/auth/socket-ticket', { authorization: `Bearer ${accessToken}` })) as {
    ticket: string;
  };
  return ticket;
}

/** POSTs JSON and reads JSON. @throws TsumugiError the server's code, or `client.unreachable`. */
export async function postJson(
  url: string,
  body: object,
  options: { headers: Record<string, string>; fetch: typeof globalThis.fetch; timeoutMs: number },
): Promise<unknown> {
  let status: number;
  let answer: unknown;
  try {
    const response = await options.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...options.headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    status = response.status;
    const text = await response.text();
    answer = text === '' ? {} : parseOrUndefined(text);
  } catch (error) {
    throw asTsumugiError(error);
  }
  if (status < 200 || status > 299 || answer === undefined) throw errorOfHttp(status, answer);
  return answer;
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
