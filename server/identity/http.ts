/**
 * The routes of accounts. Programs get the refresh token in the body and send it there; browsers get it as a cookie that
 * scripts cannot read and that travels to `/auth` alone.
 *
 * A request is a browser's when it carries `Sec-Fetch-Site` or `Origin` (browsers cannot leave the former out) or says so
 * with `x-tsumugi-client: browser`. A browser's request must come from a page of this server: another site could otherwise
 * spend the cookie, or sign a visitor in to an account of its own.
 */
import type { Static } from 'typebox';
import { RefreshBody, SignInBody, SignOutBody, SignUpBody, SocketTicket, TokenPair } from '../../protocol/identity.ts';
import { Empty } from '../../protocol/primitives.ts';
import { AppError } from '../errors.ts';
import { callerOf, type HttpReply, type HttpRequest, type Principal, type Route } from '../http.ts';
import type { Origin } from './audit.ts';
import type { IdentityService } from './service.ts';
import type { IssuedTokens } from './sessions.ts';

export type AuthHttpOptions = Readonly<{
  /** False only where the page is served over plain HTTP on loopback: browsers drop Secure cookies elsewhere. */
  secureCookies: boolean;
  /** Origins of pages besides the server's own host, e.g. `https://chat.example.com`. */
  trustedOrigins: readonly string[];
  /** Life of the cookie, seconds; that of the refresh token. */
  refreshLifeS?: number;
}>;

const THIRTY_DAYS_S = 30 * 86_400;

export function authRoutes(identity: IdentityService, options: AuthHttpOptions): Route[] {
  const auth = new AuthHttp(identity, options);
  return [
    {
      method: 'POST',
      path: '/auth/sign-up',
      says: 'Makes an account and signs it in. Browsers get the refresh token as a cookie.',
      body: SignUpBody,
      reply: TokenPair,
      errors: [
        'protocol.invalid_body',
        'identity.email_taken',
        'identity.weak_password',
        'identity.forbidden',
        'protocol.rate_limited',
        'busy',
      ],
      handle: (request) => auth.signUp(request),
    },
    {
      method: 'POST',
      path: '/auth/sign-in',
      says: 'Opens a session. The answer is the same for a wrong password and an unknown mail.',
      body: SignInBody,
      reply: TokenPair,
      errors: [
        'protocol.invalid_body',
        'identity.invalid_credentials',
        'identity.forbidden',
        'protocol.rate_limited',
        'busy',
      ],
      handle: (request) => auth.signIn(request),
    },
    {
      method: 'POST',
      path: '/auth/refresh',
      says: 'Exchanges a refresh token (of the body, or the browser’s cookie) for a new pair; the old one is used up.',
      body: RefreshBody,
      reply: TokenPair,
      errors: ['identity.unauthenticated', 'identity.token_reused', 'identity.forbidden', 'protocol.rate_limited'],
      handle: (request) => auth.refresh(request),
    },
    {
      method: 'POST',
      path: '/auth/sign-out',
      says: 'Ends the session of the access token or, without one, of the browser’s cookie; with `all` every session.',
      body: SignOutBody,
      reply: Empty,
      errors: ['identity.unauthenticated', 'identity.forbidden'],
      checksItself: 'bearer or cookie',
      handle: (request) => auth.signOut(request),
    },
    {
      method: 'POST',
      path: '/auth/socket-ticket',
      says: 'A pass for one socket, to be used within a minute: `/ws?ticket=…`.',
      reply: SocketTicket,
      errors: ['identity.unauthenticated', 'protocol.rate_limited'],
      auth: 'bearer',
      handle: async (request) => ({ status: 200, body: await identity.createSocketTicket(callerOf(request)) }),
    },
  ];
}

class AuthHttp {
  readonly #identity: IdentityService;
  readonly #options: AuthHttpOptions;
  readonly #cookie: string;

  constructor(identity: IdentityService, options: AuthHttpOptions) {
    this.#identity = identity;
    this.#options = options;
    this.#cookie = options.secureCookies ? '__Secure-tsumugi-refresh' : 'tsumugi-refresh';
  }

  async signUp(request: HttpRequest): Promise<HttpReply> {
    this.#checkSite(request);
    const issued = await this.#identity.signUp(request.body as Static<typeof SignUpBody>, originOf(request));
    return this.#give(request, issued);
  }

  async signIn(request: HttpRequest): Promise<HttpReply> {
    this.#checkSite(request);
    const { email, password } = request.body as Static<typeof SignInBody>;
    return this.#give(request, await this.#identity.signIn(email, password, originOf(request)));
  }

  async refresh(request: HttpRequest): Promise<HttpReply> {
    this.#checkSite(request);
    const given = (request.body as Static<typeof RefreshBody> | undefined)?.refreshToken;
    const token = given ?? this.#cookieOf(request);
    if (token === undefined) throw new AppError('identity.unauthenticated');
    return this.#give(request, await this.#identity.refresh(token, originOf(request)));
  }

  async signOut(request: HttpRequest): Promise<HttpReply> {
    this.#checkSite(request);
    const principal = await this.#whoSignsOut(request);
    const all = (request.body as Static<typeof SignOutBody> | undefined)?.all ?? false;
    if (principal !== undefined) await this.#identity.signOut(principal, all, originOf(request));
    // A cookie without a session is worth nothing; it is removed all the same.
    else if (this.#cookieOf(request) === undefined) throw new AppError('identity.unauthenticated');
    const headers = this.#cookieOf(request) === undefined ? {} : { 'set-cookie': this.#setCookie('', 0) };
    return { status: 200, body: {}, headers: { ...headers, 'cache-control': 'no-store' } };
  }

  async #whoSignsOut(request: HttpRequest): Promise<Principal | undefined> {
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    if (bearer !== undefined) return this.#identity.authenticate(bearer);
    const cookie = this.#cookieOf(request);
    return cookie === undefined ? undefined : this.#identity.findByRefreshToken(cookie);
  }

  #give(request: HttpRequest, issued: IssuedTokens): HttpReply {
    const { userId, accessToken, refreshToken, expiresInS } = issued;
    const body = { userId, accessToken, expiresInS };
    // Tokens are for nobody's cache.
    const headers = { 'cache-control': 'no-store' };
    if (!isBrowser(request)) return { status: 200, body: { ...body, refreshToken }, headers };
    const lifeS = this.#options.refreshLifeS ?? THIRTY_DAYS_S;
    return { status: 200, body, headers: { ...headers, 'set-cookie': this.#setCookie(refreshToken, lifeS) } };
  }

  #cookieOf(request: HttpRequest): string | undefined {
    const value = request.cookies.get(this.#cookie);
    return value === '' ? undefined : value;
  }

  #setCookie(value: string, maxAgeS: number): string {
    const secure = this.#options.secureCookies ? '; Secure' : '';
    return `${this.#cookie}=${value}; Max-Age=${maxAgeS}; Path=/auth; HttpOnly; SameSite=Strict${secure}`;
  }

  /** @throws AppError `identity.forbidden` for a request that a page of another site sent. */
  #checkSite(request: HttpRequest): void {
    const origin = request.headers.get('origin');
    if (origin !== undefined && this.#options.trustedOrigins.includes(origin)) return;
    const site = request.headers.get('sec-fetch-site');
    if (site !== undefined ? site === 'same-origin' : origin === undefined || isOwnOrigin(origin, request)) return;
    throw new AppError('identity.forbidden', { reason: 'cross_site' });
  }
}

function isBrowser(request: HttpRequest): boolean {
  const { headers } = request;
  return headers.get('x-tsumugi-client') === 'browser' || headers.has('sec-fetch-site') || headers.has('origin');
}

/** Compared by host only: behind a proxy that ends TLS the server does not see the scheme. */
function isOwnOrigin(origin: string, request: HttpRequest): boolean {
  return URL.canParse(origin) && new URL(origin).host === request.headers.get('host');
}

function originOf(request: HttpRequest): Origin {
  return { address: request.address, userAgent: request.headers.get('user-agent') };
}
