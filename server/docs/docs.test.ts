import { Parser } from '@asyncapi/parser';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import Type from 'typebox';
import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { closeCodes } from '../../protocol/close-code.ts';
import { downFrames } from '../../protocol/down.ts';
import { errorCodes } from '../../protocol/error-code.ts';
import { upFrames } from '../../protocol/up.ts';
import type { Route } from '../http.ts';
import { authRoutes } from '../identity/http.ts';
import { asyncApi } from './asyncapi.ts';
import { exampleOf } from './example.ts';
import { ledgerPage } from './ledger.ts';
import { type DocumentedRoute, openApi } from './openapi.ts';
import { docsPage } from './page.ts';
import { type PromiseFacts, promisesPage } from './promises.ts';
import { docsRoutes, upgrade } from './routes.ts';

// The routes are data; nothing of the service behind them is used here.
const routes: Route[] = authRoutes({} as never, { secureCookies: true, trustedOrigins: [] });
const admin: Route = {
  method: 'POST',
  path: '/admin/connections/:connectionId/close',
  says: 'Closes a socket.',
  auth: 'admin',
  errors: ['ops.connection_not_found'],
  handle: () => ({ status: 200 }),
};
const told: DocumentedRoute[] = [
  { method: 'GET', path: '/text', says: 'A text.', media: 'text/plain', errors: [] },
  {
    method: 'GET',
    path: '/state',
    says: 'A state.',
    reply: Type.Object({ ok: Type.Boolean() }),
    statuses: [200, 503],
    errors: [],
  },
];
const all = [upgrade, ...routes, admin, ...told];

describe('the AsyncAPI document', () => {
  // It follows every reference of a document that grows with every frame: many seconds, more on a busy machine.
  it('is valid for the official parser', async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi()));
    const complaints = diagnostics.filter(({ severity }) => severity <= 1);
    expect(complaints.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
    expect(document?.operations().all()).toHaveLength(upFrames.length + downFrames.length);
  });

  it('has every frame, with its errors, and every code', () => {
    const { operations, ...rest } = asyncApi() as { operations: Record<string, Record<string, unknown>> } & Record<
      string,
      unknown
    >;
    for (const frame of upFrames)
      expect(operations[frame.type]).toMatchObject({ action: 'receive', 'x-errors': frame.errors });
    for (const frame of downFrames) expect(operations[`${frame.type}.push`]).toMatchObject({ action: 'send' });
    expect(Object.keys(rest['x-error-codes'] as object)).toEqual(Object.keys(errorCodes));
    expect(Object.keys(rest['x-close-codes'] as object)).toEqual(Object.keys(closeCodes));
  });
});

describe('the OpenAPI document', () => {
  it('is valid for the linter', async () => {
    const config = await createConfig({
      extends: ['recommended-strict'],
      rules: { 'operation-4xx-response': 'off', 'operation-2xx-response': 'off' },
    });
    const problems = await lintFromString({ source: JSON.stringify(openApi(all)), config });
    expect(problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`)).toEqual(
      [],
    );
  });

  it('has every route with its parameters, its access and its errors', () => {
    const { paths } = openApi(all) as { paths: Record<string, Record<string, Record<string, unknown>>> };
    for (const route of routes) {
      const responses = paths[route.path]?.[route.method.toLowerCase()]?.['responses'] as Record<
        string,
        { description: string }
      >;
      for (const code of route.errors) expect(responses[errorCodes[code].status]?.description).toContain(`\`${code}\``);
    }
    expect(paths['/admin/connections/{connectionId}/close']?.['post']).toMatchObject({
      parameters: [{ name: 'connectionId', in: 'path', required: true }],
      security: [{ bearer: [] }],
    });
  });
});

describe('what the documents say of a reply', () => {
  const { paths } = openApi(all) as { paths: Record<string, Record<string, { responses: Record<string, Reply> }>> };
  type Reply = { content?: Record<string, { schema: Record<string, unknown> }> };

  it('names the content type of one that is not JSON', () => {
    expect(paths['/text']?.['get']?.responses['200']?.content).toEqual({
      'text/plain': { schema: { type: 'string' } },
    });
  });

  it('has a busy server for every route, and both bodies where a status has two', () => {
    expect(paths['/text']?.['get']?.responses['503']?.content?.['application/json']?.schema).toEqual({
      $ref: '#/components/schemas/Error',
    });
    const both = paths['/state']?.['get']?.responses['503']?.content?.['application/json']?.schema['anyOf'];
    expect(both).toMatchObject([{ required: ['ok'] }, { $ref: '#/components/schemas/Error' }]);
  });

  it('has one success for every route', () => {
    const successes = Object.values(paths).flatMap((path) =>
      Object.values(path).map(({ responses }) => Object.keys(responses).filter((status) => status < '300')),
    );
    expect(new Set(successes.map(String))).toEqual(new Set(['200', '101']));
  });

  it('has the upgrade with what it is refused for, and its success, which is no reply', () => {
    expect(Object.keys(paths['/ws']?.['get']?.responses ?? {})).toEqual([
      '101',
      '400',
      '401',
      '403',
      '429',
      '500',
      '503',
    ]);
  });

  it('gives an example of `chat.open` that names a partner', () => {
    const { components } = asyncApi() as {
      components: { messages: Record<string, { examples: { payload: object }[] }> };
    };
    expect(components.messages['chat.open']?.examples[0]?.payload).toMatchObject({
      body: { avatarId: expect.any(String) },
    });
  });
});

describe('examples', () => {
  it.each(upFrames.map((frame) => [frame.type, frame] as const))('of %s fit the schemas', (_, frame) => {
    for (const complete of [true, false]) {
      expect([...Value.Errors(frame.body, exampleOf(frame.body, complete))]).toEqual([]);
      expect([...Value.Errors(frame.reply, exampleOf(frame.reply, complete))]).toEqual([]);
    }
  });

  it.each(downFrames.map((frame) => [frame.type, frame] as const))('of the push %s fit the schema', (_, frame) => {
    expect([...Value.Errors(frame.body, exampleOf(frame.body, true))]).toEqual([]);
  });

  it.each(routes.map((route) => [route.path, route] as const))('of %s fit the schemas', (_, { body, reply }) => {
    if (body !== undefined) expect([...Value.Errors(body, exampleOf(body, false))]).toEqual([]);
    expect(reply === undefined ? [] : [...Value.Errors(reply, exampleOf(reply, true))]).toEqual([]);
  });
});

describe('the page', () => {
  const page = docsPage(all);

  it('shows every frame, error, close code and route under an anchor', () => {
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, anchor]) => anchor));
    const wanted = [
      ...upFrames.map(({ type }) => type),
      ...downFrames.map(({ type }) => `push.${type}`),
      ...Object.keys(errorCodes).map((code) => `error.${code}`),
      ...Object.values(closeCodes).map(({ code }) => `close.${code}`),
    ];
    expect(wanted.filter((anchor) => !anchors.has(anchor))).toEqual([]);
    for (const { path } of all) expect(page).toContain(`<code>${path}</code>`);
  });

  it('links to nothing that it does not have, and to nothing elsewhere', () => {
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, anchor]) => `#${anchor}`));
    const links = [...page.matchAll(/ (?:href|src)="([^"]+)"/g)].map(([, link]) => link ?? '');
    expect(
      links.filter(
        (link) =>
          !anchors.has(link) &&
          !/^\/(icon\.svg|docs\/(promises|ledger|style\.css|asyncapi\.json|openapi\.json))?$/.test(link),
      ),
    ).toEqual([]);
    expect(new Set(page.match(/ id="[^"]+"/g)).size).toBe(page.match(/ id="[^"]+"/g)?.length);
  });

  it('runs no script and has no style of its own', () => {
    expect(page).not.toMatch(/<script|<style| style=| on[a-z]+=/);
  });
});

const facts: PromiseFacts = {
  softBufferBytes: 65_536,
  fullAtBytes: 16_384,
  hardQueueBytes: 524_288,
  snapshotBehindUnits: 65_536,
  stallMs: 60_000,
  idleTimeoutS: 120,
  rollUpMs: 30,
  keepMs: 120_000,
  drainTimeoutMs: 10_000,
  drainDelayMs: 0,
  drainOverMs: 2000,
  maxHintMs: 1000,
  failover: 'interrupt',
};

describe('the page of the promises', () => {
  const page = promisesPage(facts);
  const anchorsOf = (text: string) => new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, anchor]) => `#${anchor}`));

  it('says the limits as they are', () => {
    for (const number of [
      '16 KiB',
      '64 KiB',
      '512 KiB',
      '65,536',
      '1 minute',
      '2 minutes',
      '30 ms',
      '120 s',
      '10 s',
      '2 s',
    ])
      expect(page).toContain(number);
    const other = promisesPage({ ...facts, drainDelayMs: 5000, softBufferBytes: 1000, failover: 'continue' });
    expect(other).toContain('For 5 s everything else goes on');
    expect(other).toContain('1000 bytes');
    expect(other).toContain('under a higher epoch');
    expect(page).not.toContain('everything else goes on');
  });

  it('has every close code, and links only to what is there', () => {
    for (const { code } of Object.values(closeCodes)) expect(page).toContain(`id="close.${code}"`);
    const there = new Set([...anchorsOf(page), ...[...anchorsOf(docsPage(all))].map((anchor) => `/docs${anchor}`)]);
    const links = [...page.matchAll(/ (?:href|src)="([^"]+)"/g)].map(([, link]) => link ?? '');
    expect(
      links.filter((link) => !there.has(link) && !['/', '/icon.svg', '/docs', '/docs/style.css'].includes(link)),
    ).toEqual([]);
  });

  it('runs no script, has no style of its own, and says in words what the picture shows', () => {
    expect(page).not.toMatch(/<script|<style| style=| on[a-z]+=/);
    expect(page).toMatch(/<svg [^>]*role="img" aria-labelledby="story-title"/);
    expect(page).toMatch(/<title id="story-title">[^<]{20,}</);
    expect(page).toContain('<li>Your client → Server B: chat.attach after seq 2</li>');
    expect(page).toContain('<li>Server A: committed and settled</li>');
  });
});

describe('the page for auditors', () => {
  it('links to what is there', () => {
    const page = ledgerPage();
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => `#${id}`));
    const links = [...page.matchAll(/ href="(#[^"]+)"/g)].map(([, link]) => link ?? '');
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((link) => !anchors.has(link))).toEqual([]);
    expect(docsPage(all)).toContain('id="billing.proof"');
  });
});

describe('the routes', () => {
  it('serve the page, the style and both documents, each with its type', async () => {
    const served = docsRoutes(routes, facts);
    const types = served.map((route) => [
      route.path,
      (route.handle({} as never, {}) as { headers: Record<string, string> }).headers['content-type'],
    ]);
    expect(types).toEqual([
      ['/docs', 'text/html; charset=utf-8'],
      ['/docs/promises', 'text/html; charset=utf-8'],
      ['/docs/ledger', 'text/html; charset=utf-8'],
      ['/docs/style.css', 'text/css; charset=utf-8'],
      ['/docs/asyncapi.json', 'application/json; charset=utf-8'],
      ['/docs/openapi.json', 'application/json; charset=utf-8'],
    ]);
  });
});
