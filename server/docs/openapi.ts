/** HTTP as an OpenAPI 3.1 document, out of the routes as the gateway serves them. */
import { errorCodes } from '../../protocol/error-code.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import type { Route } from '../http.ts';
import { plain } from './asyncapi.ts';
import { exampleOf } from './example.ts';

type Json = Record<string, unknown>;

/** A route as the documents tell of it. `switches`: what succeeds is no reply but another protocol. */
export type DocumentedRoute = Omit<Route, 'handle'> & { switches?: boolean };

export function openApi(routes: readonly DocumentedRoute[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([^/]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tsumugi HTTP',
      version: PROTOCOL_VERSION,
      description: 'Accounts, operation and health. Everything that a user does goes over the socket.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that serves this document.' }],
    tags: tagsOf(routes).map((name) => ({ name, description: `Routes under \`/${name}\`.` })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The access token of sign-up, sign-in or refresh.' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'tsumugi-refresh',
          description: 'The refresh token of a browser; over TLS its name begins with `__Secure-`.',
        },
      },
      schemas: { Error: errorSchema() },
    },
  };
}

/** Who may call: what the gateway checks, or the route itself. */
function guardOf(route: DocumentedRoute): NonNullable<Route['checksItself']> | undefined {
  return route.checksItself ?? (route.auth === 'none' ? undefined : route.auth);
}

function securityOf(route: DocumentedRoute): Json[] {
  const guard = guardOf(route);
  if (guard === undefined) return [];
  return guard === 'bearer or cookie' ? [{ bearer: [] }, { cookie: [] }] : [{ bearer: [] }];
}

function operation(route: DocumentedRoute): Json {
  return {
    operationId: operationId(route),
    summary: route.says,
    tags: [tagOf(route)],
    security: securityOf(route),
    ...(guardOf(route) === 'admin' ? { description: 'Only for accounts with the role `admin`.' } : {}),
    ...parameters(route),
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: json(plain(route.body), exampleOf(route.body, false)) } }),
    responses: responses(route),
  };
}

function parameters(route: DocumentedRoute): Json {
  const names = [...route.path.matchAll(/:([^/]+)/g)].map(([, name]) => name);
  const inPath = names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const inQuery = Object.entries(route.query ?? {}).map(([name, { says, required = false, schema }]) => ({
    name,
    in: 'query',
    required,
    description: says,
    schema: plain(schema),
  }));
  const all = [...inPath, ...inQuery];
  return all.length === 0 ? {} : { parameters: all };
}

/** Errors that any route of its kind can answer with, beside its own. */
export function errorsOf(route: DocumentedRoute): readonly (keyof typeof errorCodes)[] {
  const secured = guardOf(route) !== undefined;
  const common = secured ? (['identity.unauthenticated'] as const) : [];
  const admin = guardOf(route) === 'admin' ? (['identity.forbidden'] as const) : [];
  const sent = route.method === 'GET' ? [] : (['protocol.malformed', 'protocol.too_large'] as const);
  const bodied = route.body === undefined ? [] : (['protocol.invalid_body'] as const);
  return [...new Set([...route.errors, ...common, ...admin, ...sent, ...bodied, 'busy' as const, 'internal' as const])];
}

function responses(route: DocumentedRoute): Json {
  const byStatus = Map.groupBy(errorsOf(route), (code) => errorCodes[code].status);
  const failures = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.map((code) => `\`${code}\`: ${errorCodes[code].says}`).join(' '),
      content: { 'application/json': { schema: failureSchema(route, status) } },
    },
  ]);
  const statuses = (route.statuses ?? [200]).filter((status) => status < 400);
  const success: Json =
    route.switches === true
      ? { '101': { description: 'The socket is open.' } }
      : Object.fromEntries(statuses.map((status) => [String(status), successOf(route)]));
  return { ...success, ...(Object.fromEntries(failures) as Json) };
}

function failureSchema(route: DocumentedRoute, status: number): Json {
  const failure = { $ref: '#/components/schemas/Error' };
  if (route.reply === undefined || route.statuses?.includes(status) !== true) return failure;
  return { anyOf: [plain(route.reply), failure] };
}

function successOf(route: DocumentedRoute): Json {
  if (route.reply !== undefined) {
    return { description: 'Done.', content: json(plain(route.reply), exampleOf(route.reply, true)) };
  }
  if (route.media === undefined) return { description: 'Done.' };
  const schema = route.media === 'application/pdf' ? {} : { type: 'string' };
  return { description: 'Done.', content: { [route.media]: { schema } } };
}

function json(schema: Json, example: unknown): Json {
  return { 'application/json': { schema, example } };
}

function errorSchema(): Json {
  return {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'message'],
        properties: {
          code: { type: 'string', enum: Object.keys(errorCodes) },
          message: { type: 'string', description: 'For people, in the language of `Accept-Language` (en or ja).' },
          retryAfterMs: { type: 'integer', minimum: 0, description: 'Also as `Retry-After`, in seconds.' },
          details: { type: 'object', description: 'Facts for programs.' },
        },
      },
    },
  };
}

function operationId(route: DocumentedRoute): string {
  const words = `${route.method.toLowerCase()} ${route.path.replaceAll(':', 'by-')}`
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return words.map((word, i) => (i === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('');
}

function tagOf(route: DocumentedRoute): string {
  return route.path.split('/')[1] || 'page';
}

function tagsOf(routes: readonly DocumentedRoute[]): string[] {
  return [...new Set(routes.map(tagOf))];
}
