/**
 * A call of the operators' interface as a domain declares it. The interface itself (`ops/admin.ts`) checks the role and enters
 * every call, the refused ones too, in its journal; the domain only says what is done.
 */

import type { TSchema } from 'typebox';
import type { ErrorCode } from '../protocol/error-code.ts';
import type { AdminParameter } from './admin-query.ts';
import type { HttpReply, HttpRequest, Principal } from './http.ts';

export type AdminCall = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Begins with `/admin/`; at most one parameter, `:id`. */
  path: string;
  /** As it is entered, e.g. `connections.close`. */
  action: string;
  says: string;
  /** Kind of thing that the parameter `:id` names. */
  target?: string;
  body?: TSchema;
  reply?: TSchema;
  /** Of a reply that is not JSON, and statuses of a reply other than 200; for the docs, as in `Route`. */
  media?: string;
  statuses?: readonly number[];
  /** What `run` reads behind the question mark; what does not fit there is `protocol.invalid_body`. */
  query?: readonly AdminParameter[];
  errors?: readonly ErrorCode[];
  /** What is entered beside the action: codes and counts, never personal data. Asked for only when the role was found. */
  note?(request: HttpRequest): Readonly<Record<string, string | number | boolean | null>>;
  run(request: HttpRequest, id: string, admin: Principal): Promise<HttpReply> | HttpReply;
};

/** A reply for operators: never kept by a cache. */
export const adminReply = (body: object, status = 200): HttpReply => ({
  status,
  body,
  headers: { 'cache-control': 'no-store' },
});
