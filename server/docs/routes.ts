/** `/docs`: the pages, their style sheet and the two machine-readable documents. Made once, when the server starts. */
import { readFileSync } from 'node:fs';
import { Type } from 'typebox';
import type { HttpReply, Route } from '../http.ts';
import { asyncApi } from './asyncapi.ts';
import { ledgerPage } from './ledger.ts';
import { type DocumentedRoute, openApi } from './openapi.ts';
import { docsPage } from './page.ts';
import { type PromiseFacts, promisesPage } from './promises.ts';

/** Served by the gateway itself, and refused there as any route is. */
export const upgrade: DocumentedRoute = {
  method: 'GET',
  path: '/ws',
  says: 'Opens the socket, by a WebSocket upgrade with an access token, or with a ticket of `POST /auth/socket-ticket`.',
  query: {
    ticket: { says: 'Taken once, within a minute; not needed beside an access token.', schema: Type.String() },
  },
  errors: [
    'protocol.malformed',
    'identity.unauthenticated',
    'identity.forbidden',
    'protocol.rate_limited',
    'busy',
    'draining',
  ],
  checksItself: 'bearer',
  switches: true,
};

/**
 * @param routes all routes that are to be documented.
 * @param facts the limits that the promises name.
 */
export function docsRoutes(routes: readonly Route[], facts: PromiseFacts): Route[] {
  const style = readFileSync(new URL('./style.css', import.meta.url), 'utf8');
  const served: Omit<Route, 'handle'>[] = [
    { method: 'GET', path: '/docs', says: 'This page.', media: 'text/html', errors: [] },
    {
      method: 'GET',
      path: '/docs/promises',
      says: 'What a client may rely on, and what it must do for it.',
      media: 'text/html',
      errors: [],
    },
    {
      method: 'GET',
      path: '/docs/ledger',
      says: 'The formats of the ledger, for auditors.',
      media: 'text/html',
      errors: [],
    },
    { method: 'GET', path: '/docs/style.css', says: 'The style sheet of this page.', media: 'text/css', errors: [] },
    {
      method: 'GET',
      path: '/docs/asyncapi.json',
      says: 'The socket as an AsyncAPI 3.0 document.',
      media: 'application/json',
      errors: [],
    },
    {
      method: 'GET',
      path: '/docs/openapi.json',
      says: 'HTTP as an OpenAPI 3.1 document.',
      media: 'application/json',
      errors: [],
    },
  ];
  const all: DocumentedRoute[] = [upgrade, ...routes, ...served];
  const replies: Record<string, HttpReply> = {
    '/docs': text('text/html; charset=utf-8', docsPage(all)),
    '/docs/promises': text('text/html; charset=utf-8', promisesPage(facts)),
    '/docs/ledger': text('text/html; charset=utf-8', ledgerPage()),
    '/docs/style.css': text('text/css; charset=utf-8', style),
    '/docs/asyncapi.json': text('application/json; charset=utf-8', JSON.stringify(asyncApi())),
    '/docs/openapi.json': text('application/json; charset=utf-8', JSON.stringify(openApi(all))),
  };
  return served.map((route) => ({ ...route, handle: () => replies[route.path] ?? { status: 404 } }));
}

/** Nothing on the page comes from elsewhere, and nothing on it runs. */
const policy =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function text(type: string, body: string): HttpReply {
  return {
    status: 200,
    body,
    headers: { 'content-type': type, 'content-security-policy': policy, 'cache-control': 'no-cache' },
  };
}
