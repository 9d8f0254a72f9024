/** The server as a process with everything embedded: what a person has after `npm start`, through death and wrong settings. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openConversation, Person, when } from './testing/people.ts';
import { runServer, startTestServer, type TestServer } from './testing/start-server.ts';

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return port;
}

// Each of these starts PostgreSQL and the server anew, on machines that may be busy.
describe('with everything embedded', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      embedded: true,
      env: { PORT: String(await freePort()), PERSONA_TOKENS_PER_SECOND: '6' },
    });
  });
  afterAll(() => server?.close());

  it('refuses a second start over the same data, and says who is there', async () => {
    const { code, output } = await runServer({ TSUMUGI_DATA_DIR: server.dataDir, PORT: String(await freePort()) });
    expect(code).not.toBe(0);
    expect(output).toMatch(/running|in use/i);
    expect(output).not.toMatch(/\n\s+at /);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it('outlives kill -9 in the middle of an answer: the client comes back by itself and nothing that was shown is gone', async () => {
    const hana = await Person.signUp(server.url);
    const client = await hana.device();
    const conversation = await openConversation(client);
    const generation = await conversation.send('Tell me a very long story about the sea.');
    await when(conversation, () => generation.ended || generation.text.length > 20);
    const balance = (await client.request('billing.balance', {})).balance;
    const waiting = new Promise<void>((resolve) => client.onState((state) => state === 'waiting' && resolve()));
    await server.kill();
    const shown = generation.text;
    await waiting;
    const connected = new Promise<void>((resolve) => client.onState((state) => state === 'connected' && resolve()));
    server = await server.restart();
    await connected;
    const done = await generation.done;
    expect(done).toMatchObject({ finishReason: 'interrupted', messageId: generation.messageId });
    expect(done.text.slice(0, shown.length)).toBe(shown);
    expect(conversation.messages.at(-1)).toMatchObject({ text: done.text, finishReason: 'interrupted' });
    const { tokensIn = 0, tokensOut = 0 } = done.usage ?? {};
    expect(tokensOut).toBeGreaterThan(0);
    expect((await client.request('billing.balance', {})).balance).toBe(balance - tokensIn - tokensOut);
    const { entries } = await client.request('billing.ledger', {});
    expect(entries.filter(({ messageId }) => messageId === done.messageId)).toHaveLength(1);
    hana.leave();
  });

  it('outlives kill -9 under load: what each of many readers was shown is kept, and charged once', async () => {
    // One starts while others end, so that the blow meets answers in every state.
    const talks = await Promise.all(Array.from({ length: 40 }, (_, place) => talk(place)));
    await server.kill();
    const shown = new Map(talks.map(({ generation }) => [generation, generation.text]));
    server = await server.restart();
    for (const { person, client, conversation, generation } of talks) {
      const done = await generation.done;
      expect(done.text.slice(0, shown.get(generation)?.length)).toBe(shown.get(generation));
      expect(conversation.messages.at(-1)).toMatchObject({ messageId: done.messageId, text: done.text });
      const { entries } = await client.request('billing.ledger', {});
      expect(entries.filter(({ messageId }) => messageId === done.messageId)).toHaveLength(1);
      person.leave();
    }
    const reasons = new Set(talks.map(({ generation }) => generation.result?.finishReason));
    expect(reasons).toContain('interrupted');
  });

  /** Somebody whose answer is a few pieces in, or has ended by then. */
  async function talk(place: number) {
    const person = await Person.signUp(server.url);
    const client = await person.device();
    const conversation = await openConversation(client);
    const generation = await conversation.send(place % 4 === 0 ? 'Hello.' : 'Tell me a very long story about the sea.');
    await when(conversation, () => generation.ended || generation.text.length > 20 + place);
    return { person, client, conversation, generation };
  }

  it('stops cleanly when asked to, and starts again with everything in place', async () => {
    const hana = await Person.signUp(server.url);
    const client = await hana.device();
    const conversation = await openConversation(client);
    await (await conversation.send('Remember me.')).done;
    hana.leave();
    expect(await server.stop()).toBe(0);
    server = await server.restart();
    const back = await hana.device();
    const { messages } = await back.request('chat.history', { conversationId: conversation.conversationId });
    expect(messages.map(({ text }) => text)).toEqual(conversation.messages.map(({ text }) => text));
    hana.leave();
  });
});

describe('a wrong setting', () => {
  it.each([
    ['PORT', 'eighty'],
    ['DATABASE_URL', 'mysql://somewhere'],
    ['LOG_LEVEL', 'loud'],
    ['ROLL_UP_MS', '-1'],
  ])('%s=%s stops the start with one line that names it', async (name, value) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tsumugi-e2e-'));
    const { code, output } = await runServer({ TSUMUGI_DATA_DIR: dataDir, [name]: value });
    await rm(dataDir, { recursive: true, force: true });
    expect(code).toBe(2);
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(output).toContain(name);
  });

  it('never starts production with secrets that were made up on the spot', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tsumugi-e2e-'));
    const { code, output } = await runServer({ TSUMUGI_DATA_DIR: dataDir, NODE_ENV: 'production' });
    await rm(dataDir, { recursive: true, force: true });
    expect(code).toBe(2);
    expect(output).toContain('TSUMUGI_MASTER_KEYS');
  });

  it('is looked up in --help, which names every setting', async () => {
    const { code, output } = await runServer({}, ['--help']);
    expect(code).toBe(0);
    for (const name of ['PORT', 'DATABASE_URL', 'REDIS_URL', 'OPENAI_BASE_URL', 'TSUMUGI_DATA_DIR', 'TLS_CERT_FILE']) {
      expect(output).toContain(name);
    }
  });
});
