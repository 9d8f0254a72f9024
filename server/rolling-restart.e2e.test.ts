/** Two gateways over Redis behind a load balancer, replaced one after the other while people talk: nobody notices more than a reconnect. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../db/testing/redis.ts';
import type { Conversation } from '../protocol/client/conversation.ts';
import type { Done } from '../protocol/client/generation.ts';
import { openConversation, Person } from './testing/people.ts';
import { Relay } from './testing/relay.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

const PEOPLE = 4;
/** Answers that each of them gets at least, before and after the restart of each gateway. */
const MORE = 1;

let redis: TestRedis | undefined;
let relay: Relay | undefined;
let gateways: TestServer[] = [];
const people: Person[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url, PERSONA_TOKENS_PER_SECOND: '60', DRAIN_TIMEOUT_MS: '200000' };
  const first = await startTestServer({ env });
  gateways = [first, await first.restart()];
  relay = await Relay.listen(...gateways.map(({ url }) => url));
});
afterAll(async () => {
  for (const person of people) person.leave();
  await relay?.[Symbol.asyncDispose]();
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  // They share the data: one of them removes it.
  await gateways[0]?.close();
  await redis?.stop();
});

/** Somebody who talks without a pause until told to stop. */
class Talker {
  readonly person: Person;
  readonly conversation: Conversation;
  readonly answers: Done[] = [];
  /** Connections after the first. */
  reconnects = 0;
  talking = true;
  readonly ended: Promise<void>;
  #waiting: { count: number; resolve: () => void }[] = [];

  private constructor(person: Person, conversation: Conversation) {
    this.person = person;
    this.conversation = conversation;
    this.ended = this.#talk();
    // Whoever awaits it gets the failure.
    this.ended.catch(() => {});
  }

  static async arrive(url: string): Promise<Talker> {
    const person = await Person.signUp(url);
    people.push(person);
    const client = await person.device();
    const talker = new Talker(person, await openConversation(client));
    client.onState((state) => {
      if (state === 'connected') talker.reconnects += 1;
    });
    return talker;
  }

  /** Resolves when it has got so many more answers. */
  more(count: number): Promise<void> {
    const enough = new Promise<void>((resolve) => this.#waiting.push({ count: this.answers.length + count, resolve }));
    return Promise.race([enough, this.ended]);
  }

  async #talk(): Promise<void> {
    for (let turn = 1; this.talking; turn++) {
      const generation = await this.conversation.send(`Question ${turn}: what is behind the hill?`);
      let read = '';
      for await (const piece of generation) read += piece;
      const done = await generation.done;
      expect(done.text).toBe(read);
      this.answers.push(done);
      for (const { resolve } of this.#waiting.filter(({ count }) => this.answers.length >= count)) resolve();
    }
  }
}

it('a rolling restart of two gateways under load shows clients nothing but a reconnect', async () => {
  if (relay === undefined) throw new Error('no relay');
  const { url } = relay;
  const talkers = await Promise.all(Array.from({ length: PEOPLE }, () => Talker.arrive(url)));
  const all = () => Promise.all(talkers.map((talker) => talker.more(MORE)));
  await all();
  for (const [i, old] of [...gateways.entries()]) {
    const exit = once(old.process, 'exit');
    old.process.kill('SIGTERM');
    expect((await exit)[0]).toBe(0);
    await all();
    gateways[i] = await old.restart();
    relay.use(...gateways.map((gateway) => gateway.url));
    await all();
  }
  for (const talker of talkers) talker.talking = false;
  await Promise.all(talkers.map(({ ended }) => ended));

  expect(talkers.reduce((sum, { reconnects }) => sum + reconnects, 0)).toBeGreaterThanOrEqual(PEOPLE);
  for (const { person, answers, conversation } of talkers) {
    expect(new Set(answers.map(({ finishReason }) => finishReason))).toEqual(new Set(['stop']));
    const device = await person.device();
    const seen = await device.request('chat.history', { conversationId: conversation.conversationId, limit: 200 });
    const stored = seen.messages.filter(({ role }) => role !== 'user').map(({ text }) => text);
    expect(stored).toEqual(answers.map(({ text }) => text));
    const { entries } = await device.request('billing.ledger', { limit: 100 });
    const charged = entries.filter(({ messageId }) => messageId !== null).map(({ messageId }) => messageId);
    expect(charged.toSorted()).toEqual(answers.map(({ messageId }) => messageId).toSorted());
  }
});
