/** The envelope around every frame, in both directions. Bodies belong to the domains. */
import Type, { type Static } from 'typebox';

/** Chosen by the client, unique among its unanswered commands; the answer carries it back unchanged. */
export const RequestId = Type.Union([
  Type.String({ minLength: 1, maxLength: 64 }),
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
]);
export type RequestId = Static<typeof RequestId>;

export const UpEnvelope = Type.Object({
  type: Type.String({ minLength: 1, maxLength: 64 }),
  id: RequestId,
  body: Type.Object({}),
});
export type UpEnvelope = Static<typeof UpEnvelope>;

export const ReplyEnvelope = Type.Object({ type: Type.Literal('reply'), id: RequestId, body: Type.Object({}) });

/** `id` is null only when a frame was so broken that its id could not be read. */
export const ErrorEnvelope = Type.Object({
  type: Type.Literal('error'),
  id: Type.Union([RequestId, Type.Null()]),
  code: Type.String(),
  message: Type.String(),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Facts a program can use: the field, the limit, the current revision. Never secrets or message bodies. */
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type ErrorEnvelope = Static<typeof ErrorEnvelope>;

export const PushEnvelope = Type.Object({ type: Type.String(), body: Type.Object({}) });
