/** The type of the handlers of commands; the gateway's table must have one for each. */
import type { UpBody, UpReply, UpType } from '../protocol/up.ts';
import type { Caller } from './peer.ts';

export type Handler<T extends UpType> = (caller: Caller, body: UpBody<T>) => UpReply<T> | Promise<UpReply<T>>;
/** A part of the table: what one domain brings. */
export type Handlers<T extends UpType> = { [K in T]: Handler<K> };
/** The whole table; a command without a handler does not compile. */
export type AllHandlers = Handlers<UpType>;
