/**
 * The operators' interface, `/admin/*`: who is connected, what is being written, accounts, close, sign out, drain. For the role
 * admin only; every call is entered in `ops.admin_events`. Shows no mail address in full, no network address, no text of people.
 */
import type { Database } from '../../db/client.ts';
import { selectAdminEvents } from '../../db/ops/admin-events.ts';
import { type AdminCall, adminReply as ok } from '../admin-call.ts';
import { pageOf, queryDocs, uuidOf } from '../admin-query.ts';
import type { Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Authenticator, HttpReply, HttpRequest, Principal, Route, RouteRequest } from '../http.ts';
import { AdminJournal } from './admin-journal.ts';
import * as shapes from './admin-shapes.ts';

/** The sockets of this gateway. */
export type LiveConnections = {
  readonly count: number;
  list(): Iterable<{ connectionId: string; userId: string; sessionId: string; address: string; openedAtMs: number }>;
  /** @returns false when there is no such connection. */
  close(connectionId: string): boolean;
};
/** The generations of this gateway. */
export type RunningGenerations = {
  readonly count: number;
  list(): Iterable<{
    generationId: string;
    conversationId: string;
    userId: string;
    model: string;
    startedAtMs: number;
    length: number;
  }>;
};
/** Accounts as an operator may see them; identity provides it. */
export type Accounts = {
  findUserId(email: string): Promise<string | undefined>;
  listAccounts(page: {
    userId?: string;
    before?: string;
    limit: number;
  }): Promise<{ accounts: readonly Account[]; nextBefore: string | null }>;
  /** @returns how many sessions were live. */
  signOutUser(userId: string): Promise<number>;
};
type Account = Readonly<Omit<shapes.UserSummary, 'roles'> & { roles: readonly string[] }>;

export type AdminParts = {
  db: Database;
  clock: Clock;
  authenticator: Authenticator;
  connections: LiveConnections;
  generations: RunningGenerations;
  accounts: Accounts;
  /** The network around an address, as it may be kept in clear. */
  networkOf(address: string): string | undefined;
  /** Begins to drain; goes on by itself. */
  drain(): void;
};

/** @param more calls of the domains. */
export function adminRoutes(parts: AdminParts, more: readonly AdminCall[] = []): Route[] {
  const journal = new AdminJournal(parts.db, parts.clock);
  return [...liveCalls(parts), ...accountCalls(parts), ...serverCalls(parts), ...more].map((call) =>
    toRoute(call, parts, journal),
  );
}

function liveCalls({ connections, generations, networkOf }: AdminParts): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/connections',
      action: 'connections.list',
      says: 'Open sockets of this gateway, oldest first; `userId`, `offset` and `limit` choose.',
      reply: shapes.ConnectionPage,
      query: ['userId', 'offset', 'limit'],
      run({ query }) {
        const userId = uuidOf(query, 'userId');
        const page = slice(connections.list(), (one) => userId === undefined || one.userId === userId, pageOf(query));
        const list = page.map(({ connectionId, userId, sessionId, address, openedAtMs }) => ({
          connectionId,
          userId,
          sessionId,
          network: networkOf(address) ?? null,
          openedAt: iso(openedAtMs),
        }));
        return ok({ total: connections.count, connections: list } satisfies shapes.ConnectionPage);
      },
    },
    {
      method: 'GET',
      path: '/admin/generations',
      action: 'generations.list',
      says: 'Answers that are being written on this gateway, oldest first.',
      reply: shapes.GenerationPage,
      query: ['offset', 'limit'],
      run({ query }) {
        const page = slice(generations.list(), () => true, pageOf(query));
        const list = page.map(({ startedAtMs, ...one }) => ({ ...one, startedAt: iso(startedAtMs) }));
        return ok({ total: generations.count, generations: list } satisfies shapes.GenerationPage);
      },
    },
    {
      method: 'POST',
      path: '/admin/connections/:id/close',
      action: 'connections.close',
      says: 'Closes one socket; its client may reconnect.',
      target: 'connection',
      reply: shapes.Closed,
      errors: ['ops.connection_not_found'],
      run(_, id) {
        if (!connections.close(id)) throw new AppError('ops.connection_not_found');
        return ok({ closed: true });
      },
    },
  ];
}

function accountCalls({ accounts }: AdminParts): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/users',
      action: 'users.list',
      says: 'Accounts, newest first; `userId` finds one, `before` and `limit` page.',
      reply: shapes.UserPage,
      query: ['userId', 'before', 'limit'],
      async run({ query }) {
        const [userId, before] = [uuidOf(query, 'userId'), uuidOf(query, 'before')];
        const page = {
          ...(userId === undefined ? {} : { userId }),
          ...(before === undefined ? {} : { before }),
          limit: pageOf(query).limit,
        };
        const { accounts: found, nextBefore } = await accounts.listAccounts(page);
        return ok({ users: found.map(toSummary), nextBefore } satisfies shapes.UserPage);
      },
    },
    {
      method: 'POST',
      path: '/admin/users/search',
      action: 'users.search',
      says: 'The account with this mail address; in the body, because addresses of pages are logged on their way.',
      body: shapes.SearchUsers,
      reply: shapes.UserPage,
      async run({ body }) {
        const userId = await accounts.findUserId((body as { email: string }).email);
        const found = userId === undefined ? [] : (await accounts.listAccounts({ userId, limit: 1 })).accounts;
        return ok({ users: found.map(toSummary), nextBefore: null } satisfies shapes.UserPage);
      },
    },
    {
      method: 'POST',
      path: '/admin/users/:id/sign-out',
      action: 'users.sign_out',
      says: 'Ends every session of an account and closes its sockets.',
      target: 'user',
      reply: shapes.SignedOut,
      errors: ['ops.user_not_found'],
      async run(_, id) {
        const userId = uuidOf(new URLSearchParams({ id }), 'id') ?? '';
        const { accounts: found } = await accounts.listAccounts({ userId, limit: 1 });
        if (found.length === 0) throw new AppError('ops.user_not_found');
        return ok({ sessions: await accounts.signOutUser(userId) });
      },
    },
  ];
}

function serverCalls({ db, drain }: AdminParts): AdminCall[] {
  return [
    {
      method: 'POST',
      path: '/admin/drain',
      action: 'server.drain',
      says: 'Takes this gateway out of service: no new sockets, running answers end, then every socket is closed.',
      reply: shapes.Draining,
      statuses: [202],
      run() {
        drain();
        return ok({ draining: true }, 202);
      },
    },
    {
      method: 'GET',
      path: '/admin/events',
      action: 'events.list',
      says: 'What operators did, newest first.',
      reply: shapes.EventPage,
      query: ['before', 'limit'],
      async run({ query }, _, admin) {
        const before = uuidOf(query, 'before');
        const { limit } = pageOf(query);
        const rows = await db.asAdmin(admin.userId, (tx) =>
          selectAdminEvents(tx, { limit, ...(before === undefined ? {} : { before }) }),
        );
        const events = rows.map(({ id, atMs, payload, ...row }) => ({
          eventId: id,
          at: iso(atMs),
          details: payload,
          ...row,
        }));
        return ok({
          events,
          nextBefore: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
        } satisfies shapes.EventPage);
      },
    },
  ];
}

/** Checks the role itself instead of declaring it, so that refused calls are entered too. */
function toRoute(call: AdminCall, parts: AdminParts, journal: AdminJournal): Route {
  const { method, path, says, body, reply, action, query, media, statuses } = call;
  const errors = [...(call.errors ?? []), ...(query === undefined ? [] : (['protocol.invalid_body'] as const))];
  return {
    method,
    path,
    says,
    ...(body === undefined ? {} : { body }),
    ...(reply === undefined ? {} : { reply }),
    ...(query === undefined ? {} : { query: queryDocs(query) }),
    ...(media === undefined ? {} : { media }),
    ...(statuses === undefined ? {} : { statuses }),
    errors: ['identity.unauthenticated', 'identity.forbidden', ...new Set(errors)],
    checksItself: 'admin',
    async handle(request, params) {
      const id = params['id'] ?? '';
      const target = call.target === undefined ? null : { type: call.target, id: id.slice(0, 64) };
      const entry = { action, target, network: parts.networkOf(request.address) ?? null };
      let admin: Principal | undefined;
      let begunId: string | undefined;
      let answer: HttpReply;
      try {
        admin = await authenticate(request, parts.authenticator);
        if (!admin.roles.includes('admin')) throw new AppError('identity.forbidden');
        if (request.bodyFault !== undefined) throw request.bodyFault;
        const begun = {
          ...entry,
          adminUserId: admin.userId,
          outcome: 'begun',
          payload: noteOf(call, request),
        } as const;
        // Nothing is changed that is not entered, whatever dies in between.
        if (method !== 'GET') begunId = await journal.enter(begun);
        answer = await call.run(request, id, admin);
      } catch (error) {
        const isRefusal = isAppError(error, 'identity.forbidden') || isAppError(error, 'identity.unauthenticated');
        const code = isAppError(error) ? error.code : 'internal';
        const outcome = isRefusal && begunId === undefined ? 'refused' : 'failed';
        const payload = { ...(mayNote(admin, request) ? noteOf(call, request) : {}), code };
        await journal.enter({ ...entry, adminUserId: admin?.userId ?? null, outcome, payload }, begunId);
        throw error;
      }
      const done = { ...entry, adminUserId: admin.userId, outcome: 'done', payload: noteOf(call, request) } as const;
      await journal.enter(done, begunId);
      return answer;
    },
  };
}

const noteOf = (call: AdminCall, request: HttpRequest) => call.note?.(request) ?? {};

/** Strangers' words are not kept, and a body of another form says nothing that could be noted. */
const mayNote = (admin: Principal | undefined, { bodyFault }: RouteRequest): boolean =>
  admin?.roles.includes('admin') === true && bodyFault === undefined;

async function authenticate(request: HttpRequest, authenticator: Authenticator): Promise<Principal> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (token === undefined) throw new AppError('identity.unauthenticated');
  return authenticator.fromBearer(token);
}

function slice<T>(items: Iterable<T>, fits: (item: T) => boolean, page: { offset: number; limit: number }): T[] {
  const found: T[] = [];
  let at = 0;
  for (const item of items) {
    if (!fits(item) || at++ < page.offset) continue;
    found.push(item);
    if (found.length >= page.limit) break;
  }
  return found;
}

const toSummary = (account: Account): shapes.UserSummary => ({ ...account, roles: [...account.roles] });
const iso = (ms: number): string => new Date(ms).toISOString();
