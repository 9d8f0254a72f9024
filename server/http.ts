/**
 * HTTP as the rules see it: routes as data, plain requests in, plain replies out. No sockets, no uWS.
 * The gateway serves the routes; errors thrown by `handle` become `{error: {code, message, details?, retryAfterMs?}}`.
 */
import type { TSchema } from 'typebox';
import type { ErrorCode } from '../protocol/error-code.ts';
import type { AppError } from './errors.ts';

/** Who stands behind a socket or an HTTP request. */
export type Principal = Readonly<{ userId: string; sessionId: string; roles: readonly string[] }>;

/** Checks credentials; identity provides it. Both methods throw AppError `identity.unauthenticated`. */
export interface Authenticator {
  /** @param token the access token of `Authorization: Bearer`. */
  fromBearer(token: string): Promise<Principal>;
  /** @param ticket taken by exactly one caller. */
  fromTicket(ticket: string): Promise<Principal>;
}

export type HttpRequest = {
  method: string;
  /** Without the query, as sent (not percent-decoded). */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
  /** Parsed JSON; for a route with `body` already checked against it. Undefined when nothing was sent. */
  body: unknown;
  /** The bytes of the body as sent, for signatures (webhooks). Empty when nothing was sent. */
  rawBody: Uint8Array;
  /** Address of the client, textual IPv4 or IPv6. */
  address: string;
  cookies: ReadonlyMap<string, string>;
  /** Fires when the client went away before the reply. */
  signal: AbortSignal;
};

export type HttpReply = {
  status: number;
  /** Anything JSON can carry; or a string or Uint8Array together with a `content-type` header. */
  body?: unknown;
  /** Names in lower case; an array sends the header several times (`set-cookie`). */
  headers?: Readonly<Record<string, string | readonly string[]>>;
};

/** `bearer`: any signed-in user; `admin`: also needs the role `admin`. */
export type RouteAuth = 'none' | 'bearer' | 'admin';

/**
 * A request of a route; `caller` is there when the route asks for `auth` (see `callerOf`). `bodyFault` only reaches a route that
 * checks for operators by itself: what is wrong with the body, to be thrown once it knows who asks.
 */
export type RouteRequest = HttpRequest & { caller?: Principal; bodyFault?: AppError };

export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/admin/users/:userId`; a parameter is one segment, percent-decoded. */
  path: string;
  /** Schema of the JSON body; a body that does not fit is refused before `handle`. */
  body?: TSchema;
  /** One sentence for the docs. */
  says: string;
  /** What may stand behind the question mark, for the docs; `handle` checks it. */
  query?: Readonly<Record<string, { says: string; required?: boolean; schema: TSchema }>>;
  /** Schema of the successful JSON reply, for the docs. */
  reply?: TSchema;
  /** Content type of a successful reply that is not JSON, for the docs. */
  media?: string;
  /** Statuses that `reply` comes with, for the docs; 200 alone where nothing is said. */
  statuses?: readonly number[];
  errors: readonly ErrorCode[];
  /** What the gateway asks for before `handle`. Default `none`. */
  auth?: RouteAuth;
  /** What `handle` asks for by itself, for the docs: a route that enters refusals in a journal, or takes a cookie as well. */
  checksItself?: Exclude<RouteAuth, 'none'> | 'bearer or cookie';
  /** Largest body in bytes; default is the server's (64 KB). */
  maxBodyBytes?: number;
  /** Gets the bytes alone (`rawBody`), whatever they say they are: nothing is parsed before the route has checked who sent them. */
  takesBytes?: boolean;
  handle(request: RouteRequest, params: Readonly<Record<string, string>>): Promise<HttpReply> | HttpReply;
};

/** The caller of a route with `auth`. @throws Error when the route was declared without. */
export function callerOf(request: RouteRequest): Principal {
  if (request.caller === undefined) throw new Error('This route reads its caller but declares no auth.');
  return request.caller;
}
