/** How a frame is declared: one constant a frame, its schema the single source of its type. Refuses nothing itself. */
import type { Static, TSchema } from 'typebox';
import type { ErrorCode } from './error-code.ts';

/** A command of a client. Every `id` it is sent with gets exactly one reply or error. */
export type UpFrame<
  Name extends string = string,
  Body extends TSchema = TSchema,
  Reply extends TSchema = TSchema,
> = Readonly<{ direction: 'up'; type: Name; body: Body; reply: Reply; errors: readonly ErrorCode[]; says: string }>;

/** A push of the server. */
export type DownFrame<Name extends string = string, Body extends TSchema = TSchema> = Readonly<{
  direction: 'down';
  type: Name;
  body: Body;
  says: string;
}>;

/**
 * Declares a command.
 * @example const createAvatar = defineUp('companion.create_avatar', { says: '…', body, reply, errors: [] });
 */
export function defineUp<Name extends string, Body extends TSchema, Reply extends TSchema>(
  type: Name,
  frame: { says: string; body: Body; reply: Reply; errors: readonly ErrorCode[] },
): UpFrame<Name, Body, Reply> {
  return { direction: 'up', type, ...frame };
}

/** Declares a push. */
export function defineDown<Name extends string, Body extends TSchema>(
  type: Name,
  frame: { says: string; body: Body },
): DownFrame<Name, Body> {
  return { direction: 'down', type, ...frame };
}

/** The parsed body of a frame. */
export type BodyOf<Frame extends { body: TSchema }> = Static<Frame['body']>;
/** The body of the reply to a command. */
export type ReplyOf<Frame extends { reply: TSchema }> = Static<Frame['reply']>;
