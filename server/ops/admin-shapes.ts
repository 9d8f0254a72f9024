/** What the operators' interface answers; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Nullable, Timestamp, Uuid } from '../../protocol/primitives.ts';

const Count = Type.Integer({ minimum: 0 });

export const LiveConnection = Type.Object({
  connectionId: Type.String(),
  userId: Uuid,
  sessionId: Uuid,
  network: Nullable(Type.String({ description: 'The /24 or /48 around the address.' })),
  openedAt: Timestamp,
});
export type LiveConnection = Static<typeof LiveConnection>;
export const ConnectionPage = Type.Object({ total: Count, connections: Type.Array(LiveConnection) });
export type ConnectionPage = Static<typeof ConnectionPage>;

export const LiveGeneration = Type.Object({
  generationId: Uuid,
  conversationId: Uuid,
  userId: Uuid,
  model: Type.String(),
  startedAt: Timestamp,
  length: Type.Integer({ minimum: 0, description: 'UTF-16 units written so far.' }),
});
export type LiveGeneration = Static<typeof LiveGeneration>;
export const GenerationPage = Type.Object({ total: Count, generations: Type.Array(LiveGeneration) });
export type GenerationPage = Static<typeof GenerationPage>;

export const UserSummary = Type.Object({
  userId: Uuid,
  maskedEmail: Type.String(),
  displayName: Type.String(),
  status: Type.String(),
  roles: Type.Array(Type.String()),
  createdAt: Timestamp,
  lastSignInAt: Nullable(Timestamp),
});
export type UserSummary = Static<typeof UserSummary>;
export const UserPage = Type.Object({ users: Type.Array(UserSummary), nextBefore: Nullable(Type.String()) });
export type UserPage = Static<typeof UserPage>;

export const AdminEvent = Type.Object({
  eventId: Uuid,
  at: Timestamp,
  adminUserId: Nullable(Uuid),
  action: Type.String(),
  target: Nullable(Type.Object({ type: Type.String(), id: Type.String() })),
  /** `begun`: entered before it was carried out, and no end of it is known. */
  outcome: Type.Union([Type.Literal('begun'), Type.Literal('done'), Type.Literal('refused'), Type.Literal('failed')]),
  network: Nullable(Type.String()),
  details: Type.Record(Type.String(), Type.Unknown()),
});
export type AdminEvent = Static<typeof AdminEvent>;
export const EventPage = Type.Object({ events: Type.Array(AdminEvent), nextBefore: Nullable(Type.String()) });
export type EventPage = Static<typeof EventPage>;

export const SearchUsers = Type.Object({ email: Type.String({ minLength: 3, maxLength: 254 }) });
export const SignedOut = Type.Object({ sessions: Count });
export const Closed = Type.Object({ closed: Type.Boolean() });
export const Draining = Type.Object({ draining: Type.Boolean() });
