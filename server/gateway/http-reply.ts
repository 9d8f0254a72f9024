/** How a reply leaves through uWS: status, security headers, JSON, errors. Nothing is written to an aborted response. */

import type { HttpResponse } from 'uWebSockets.js';
import { Buffer } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import { errorCodes } from '../../protocol/error-code.ts';
import type { HttpReply } from '../http.ts';
import type { GatewayLog } from './log.ts';
import { type PublicError, policyOf, toPublicError } from './public-error.ts';

export type ReplyContext = { log: GatewayLog /** True when clients reach us by TLS. */; secure: boolean };

/** On every reply; a route may say otherwise for itself. */
const standingHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

export type SendOptions = {
  /** HEAD: the headers of the reply, without its body. */
  headOnly?: boolean;
  /** The rest of the request was not read. */
  closeConnection?: boolean;
};

/** Sends a reply. The caller has made sure that the response is not aborted. */
export function sendReply(res: HttpResponse, context: ReplyContext, reply: HttpReply, options: SendOptions = {}): void {
  const headers: Record<string, string | readonly string[]> = { ...standingHeaders };
  if (context.secure) headers['strict-transport-security'] = 'max-age=31536000';
  // Always bytes: uWS sends a string without characters above U+00FF in Latin-1, which is not UTF-8.
  let body: Uint8Array = Buffer.alloc(0);
  if (typeof reply.body === 'string') body = Buffer.from(reply.body);
  else if (reply.body instanceof Uint8Array) body = reply.body;
  else if (reply.body !== undefined) {
    headers['content-type'] = 'application/json; charset=utf-8';
    body = Buffer.from(JSON.stringify(reply.body));
  }
  Object.assign(headers, reply.headers);
  res.cork(() => {
    res.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? ''}`);
    for (const [name, value] of Object.entries(headers)) {
      for (const one of typeof value === 'string' ? [value] : value) res.writeHeader(name, oneLine(one));
    }
    if (options.headOnly === true) res.endWithoutBody(body.byteLength, options.closeConnection);
    // These statuses have no body and must not announce one. Without arguments: uWS reads `undefined` as an absurd length.
    else if (reply.status === 304 || reply.status === 204) res.endWithoutBody();
    // A line that is about to be closed asks for nothing more, and what refuses is short.
    else if (options.closeConnection === true) res.end(body, true);
    else endAsRead(res, body);
  });
}

/**
 * Sends a body as fast as it is read. uWS buffers nothing of it, and until all of it is gone it cuts a client that asks for more
 * on the same line: whoever asked a thousand times at once and read nothing would otherwise be buffered a thousand bodies.
 */
function endAsRead(res: HttpResponse, body: Uint8Array): void {
  const beginsAt = res.getWriteOffset();
  const [, responded] = res.tryEnd(body, body.byteLength);
  if (responded) return;
  res.onWritable((offset) => res.tryEnd(body.subarray(offset - beginsAt), body.byteLength)[0]);
}

/** A header's value cannot start another header. */
function oneLine(value: string): string {
  return value.replaceAll(/[\r\n]+/g, ' ');
}

/**
 * Sends a failure as `{error: {code, message, details?, retryAfterMs?}}`.
 * @returns the status
 */
export function sendError(
  res: HttpResponse,
  context: ReplyContext,
  error: unknown,
  facts: SendOptions & { language: string; route: string; headers?: HttpReply['headers'] },
): number {
  const told = toPublicError(error, context.log, { route: facts.route });
  const { status } = policyOf(told.code);
  const headers: Record<string, string | readonly string[]> = { ...facts.headers };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  if (told.retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(told.retryAfterMs / 1000));
  sendReply(res, context, { status, headers, body: { error: inLanguage(told, facts.language) } }, facts);
  return status;
}

/** The standing text of a code exists in both languages; a text made for the case only in English. */
function inLanguage(told: PublicError, acceptLanguage: string): PublicError {
  const { says, saysJa } = errorCodes[told.code];
  return prefersJapanese(acceptLanguage) && told.message === says ? { ...told, message: saysJa } : told;
}

/** True when Japanese stands before English in `Accept-Language`. */
export function prefersJapanese(acceptLanguage: string): boolean {
  const wishes = acceptLanguage.split(',').map((wish) => {
    const [tag = '', ...parameters] = wish.trim().toLowerCase().split(';');
    const quality = parameters.map((p) => p.trim()).find((p) => p.startsWith('q='));
    return { tag, weight: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
  });
  const weightOf = (language: string): number =>
    Math.max(
      0,
      ...wishes.filter((wish) => wish.tag === language || wish.tag.startsWith(`${language}-`)).map((w) => w.weight),
    );
  return (
    weightOf('ja') > weightOf('en') ||
    (weightOf('ja') > 0 && firstOf(wishes) === 'ja' && weightOf('ja') >= weightOf('en'))
  );
}

function firstOf(wishes: readonly { tag: string }[]): string | undefined {
  return wishes.map((wish) => wish.tag.slice(0, 2)).find((tag) => tag === 'ja' || tag === 'en');
}
