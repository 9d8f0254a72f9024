/** The whole server told to stop: what a load balancer sees, and that a client of the library sees a reconnect and nothing else. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Generation } from '../protocol/client/generation.ts';
import type { ClientState, TsumugiClient } from '../protocol/client.ts';
import { HeldModel } from './testing/held-model.ts';
import { openConversation, Person, when } from './testing/people.ts';
import { Relay } from './testing/relay.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let model: HeldModel;
beforeAll(async () => {
  model = await HeldModel.start();
});
afterAll(() => model?.[Symbol.asyncDispose]());
beforeEach(() => model.hold());

const started: TestServer[] = [];
const relays: Relay[] = [];
const people: Person[] = [];
afterEach(async () => {
  for (const person of people.splice(0)) person.leave();
  for (const relay of relays.splice(0)) await relay[Symbol.asyncDispose]();
  for (const server of started.splice(0)) await server.close();
});

async function setUp(env: Record<string, string> = {}) {
  // Longer than any of this takes: what ends a stop is what the test does.
  const server = await startTestServer({ env: { ...model.env, DRAIN_TIMEOUT_MS: '200000', ...env } });
  started.push(server);
  const relay = await Relay.listen(server.url);
  relays.push(relay);
  const person = await Person.signUp(relay.url);
  people.push(person);
  return { server, relay, person };
}

/** The same data under a new process; it takes the old one's place in the clean-up. */
async function restart(server: TestServer, relay: Relay): Promise<TestServer> {
  const next = await server.restart();
  started.splice(started.indexOf(server), 1, next);
  relay.use(next.url);
  return next;
}

/** Resolves when the client is in this state again. */
const next = (client: TsumugiClient, wanted: ClientState) =>
  new Promise<void>((resolve) => {
    const stop = client.onState((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });

// Each of these starts a server of its own, on machines that may be busy.
describe('a server that is told to stop', () => {
  it('says so to load balancers while it serves on, sends idle clients away, and lets a reader read to the end', async () => {
    const { server, person } = await setUp();
    const [reader, idle] = [await person.device(), await person.device()];
    const conversation = await openConversation(reader);
    const generation = await conversation.send('Tell me something long about the sea.');
    await when(conversation, () => generation.text.length > 0);
    const [away, exit] = [next(idle, 'waiting'), once(server.process, 'exit')];
    server.process.kill('SIGTERM');
    await away;
    expect(generation.ended).toBe(false);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    const closed = next(reader, 'waiting');
    model.release();
    const done = await generation.done;
    // Not what a client puts together after a reconnect: the very push, which carries the entry of the ledger.
    expect(done).toMatchObject({ finishReason: 'stop', ledger: expect.anything() });
    await closed;
    expect((await exit)[0]).toBe(0);
    await expect(fetch(`${server.url}/readyz`)).rejects.toThrow();
  });

  it('and started again shows the library nothing but a reconnect, also to who sends meanwhile', async () => {
    const { server, relay, person } = await setUp();
    const [reader, other] = [await person.device(), await person.device()];
    const [here, there] = [await openConversation(reader, 'en'), await openConversation(other, 'ja')];
    const generation = await here.send('Tell me something long about the stars.');
    await when(here, () => generation.text.length > 0);
    const exit = once(server.process, 'exit');
    const away = next(other, 'waiting');
    server.process.kill('SIGTERM');
    await away;
    const sent = there.send('まだいますか。');
    const refused = here.send('And then?').catch((error: unknown) => error);
    model.release();
    expect(await generation.done).toMatchObject({ finishReason: 'stop' });
    await exit;
    await restart(server, relay);
    expect(await (await sent).done).toMatchObject({ finishReason: 'stop' });
    const second = await refused;
    expect(second).toMatchObject({ generationId: expect.any(String) });
    expect(await (second as Generation).done).toMatchObject({ finishReason: 'stop' });
    const { messages } = await other.request('chat.history', { conversationId: here.conversationId });
    expect(messages.map(({ text }) => text)).toEqual(here.messages.map(({ text }) => text));
    expect(messages[1]?.text).toBe(generation.text);
    expect(messages).toHaveLength(4);
  });

  it('waits for answers no longer than the grace time, and keeps what was shown', async () => {
    const { server, relay, person } = await setUp({ DRAIN_TIMEOUT_MS: '200' });
    const client = await person.device();
    const conversation = await openConversation(client);
    const generation = await conversation.send('Tell me something long about the rain.');
    await when(conversation, () => generation.text.length > 0);
    const exit = once(server.process, 'exit');
    server.process.kill('SIGTERM');
    await next(client, 'waiting');
    const shown = generation.text;
    expect((await exit)[0]).toBe(0);
    await restart(server, relay);
    const done = await generation.done;
    expect(done.finishReason).toBe('interrupted');
    expect(done.text.startsWith(shown)).toBe(true);
    expect(conversation.messages.at(-1)?.text).toBe(done.text);
  });

  it('closes no sockets before the delay in which a load balancer takes notice is over', async () => {
    model.release();
    const { server, person } = await setUp({ DRAIN_DELAY_MS: '200000' });
    const client = await person.device();
    const conversation = await openConversation(client);
    const exit = once(server.process, 'exit');
    let told = false;
    client.on('gateway.draining', () => {
      told = true;
    });
    server.process.kill('SIGTERM');
    await until503(server.url);
    // Who is here is served as ever meanwhile.
    expect(await (await conversation.send('Hi')).done).toMatchObject({ finishReason: 'stop' });
    expect(told).toBe(false);
    server.process.kill('SIGTERM');
    expect((await exit)[0]).toBe(1);
  });

  it('closes them after it', async () => {
    const { server, person } = await setUp({ DRAIN_DELAY_MS: '300' });
    const client = await person.device();
    const told = new Promise((resolve) => client.on('gateway.draining', resolve));
    const [away, exit] = [next(client, 'waiting'), once(server.process, 'exit')];
    server.process.kill('SIGTERM');
    await told;
    await away;
    expect((await exit)[0]).toBe(0);
  });

  it('twice ends at once', async () => {
    const { server, person } = await setUp();
    const client = await person.device();
    const conversation = await openConversation(client);
    const generation = await conversation.send('Tell me something endless.');
    await when(conversation, () => generation.text.length > 0);
    const exit = once(server.process, 'exit');
    server.process.kill('SIGTERM');
    await until503(server.url);
    expect(generation.ended).toBe(false);
    server.process.kill('SIGTERM');
    expect((await exit)[0]).toBe(1);
  });
});

async function until503(url: string): Promise<void> {
  while ((await fetch(`${url}/readyz`)).status !== 503);
}
