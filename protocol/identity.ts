/** Frames and HTTP bodies of the domain identity: the account behind the connection, its profile and its sessions. */
import Type, { type Static } from 'typebox';
import { defineDown, defineUp } from './define.ts';
import { Empty, Locale, Nullable, PageLimit, Timestamp, Uuid } from './primitives.ts';

export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  description: 'Mail address. Case, spaces around it and the width of its letters do not matter.',
});
export const Password = Type.String({
  minLength: 10,
  maxLength: 256,
  description: 'At least 10 characters; every character counts.',
});
export const DisplayName = Type.String({ minLength: 1, maxLength: 80 });
export const TimeZone = Type.String({ minLength: 1, maxLength: 64, description: 'IANA time zone, e.g. Asia/Tokyo.' });

export const Account = Type.Object({
  userId: Uuid,
  email: Type.String(),
  displayName: Type.String(),
  locale: Locale,
  timeZone: TimeZone,
  roles: Type.Array(Type.String()),
  createdAt: Timestamp,
});
export type Account = Static<typeof Account>;

export const SessionInfo = Type.Object({
  sessionId: Uuid,
  current: Type.Boolean({ description: 'True for the session of this connection.' }),
  userAgent: Nullable(Type.String()),
  createdAt: Timestamp,
  lastSeenAt: Timestamp,
});
export type SessionInfo = Static<typeof SessionInfo>;

export const me = defineUp('identity.me', {
  says: 'The account of this connection.',
  body: Empty,
  reply: Account,
  errors: [],
});

export const updateProfile = defineUp('identity.update_profile', {
  says: 'Changes what is given, keeps the rest.',
  body: Type.Object({
    displayName: Type.Optional(DisplayName),
    locale: Type.Optional(Locale),
    timeZone: Type.Optional(TimeZone),
  }),
  reply: Account,
  errors: ['protocol.invalid_body'],
});

export const changePassword = defineUp('identity.change_password', {
  says: 'Sets a new password and ends every other session.',
  body: Type.Object({ currentPassword: Type.String({ minLength: 1, maxLength: 256 }), newPassword: Password }),
  reply: Empty,
  errors: ['identity.invalid_credentials', 'identity.weak_password', 'protocol.rate_limited', 'busy'],
});

export const listSessions = defineUp('identity.list_sessions', {
  says: 'The live sessions of the account, newest first.',
  body: Type.Object({
    before: Type.Optional(Nullable(Uuid, { description: '`nextBefore` of the page before; null for the first one.' })),
    limit: PageLimit(100),
  }),
  reply: Type.Object({ sessions: Type.Array(SessionInfo), nextBefore: Nullable(Uuid) }),
  errors: [],
});

export const endSession = defineUp('identity.end_session', {
  says: 'Ends one session: its tokens stop working and its sockets are closed.',
  body: Type.Object({ sessionId: Uuid }),
  reply: Empty,
  errors: ['identity.session_not_found'],
});

/** Answer to sign-up, sign-in and refresh. Browsers get `refreshToken` as a cookie instead. */
export const TokenPair = Type.Object({
  userId: Uuid,
  accessToken: Type.String(),
  refreshToken: Type.Optional(Type.String()),
  expiresInS: Type.Integer({ description: 'Life of the access token, seconds.' }),
});
export type TokenPair = Static<typeof TokenPair>;

export const SignUpBody = Type.Object({
  email: Email,
  password: Password,
  displayName: Type.Optional(DisplayName),
  locale: Type.Optional(Locale),
  timeZone: Type.Optional(TimeZone),
});
export const SignInBody = Type.Object({ email: Email, password: Type.String({ minLength: 1, maxLength: 256 }) });
export const RefreshBody = Type.Object({ refreshToken: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })) });
export const SignOutBody = Type.Object({
  all: Type.Optional(Type.Boolean({ description: 'End every session of the account.' })),
});
export const SocketTicket = Type.Object({ ticket: Type.String(), expiresInS: Type.Integer() });

const Presence = Type.Object({
  connections: Type.Integer({
    minimum: 0,
    description: 'Of this account, on all devices and gateways, this one included.',
  }),
});

export const presence = defineUp('identity.presence', {
  says: 'How many connections the account has now.',
  body: Empty,
  reply: Presence,
  errors: [],
});

export const presencePush = defineDown('identity.presence', {
  says: 'The number of the account’s connections has changed. Not told to the only one there is, unless it has just become that.',
  body: Presence,
});

export const signedOut = defineDown('identity.signed_out', {
  says: 'The session of this connection has ended; the socket closes next.',
  body: Type.Object({ sessionId: Uuid }),
});
