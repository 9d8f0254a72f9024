/** People for end-to-end tests: a fresh account, and devices of it that talk through the real client. */
import { AuthClient } from '../../protocol/auth-client.ts';
import type { Conversation } from '../../protocol/client/conversation.ts';
import { TsumugiClient, type TsumugiClientOptions } from '../../protocol/client.ts';

let people = 0;

export class Person {
  /** Of the server; another one after a restart. */
  url: string;
  auth: AuthClient;
  readonly email: string;
  readonly password = 'a long pass phrase';
  readonly #clients: TsumugiClient[] = [];

  private constructor(url: string) {
    this.url = url;
    people += 1;
    this.email = `person-${process.pid}-${people}@example.com`;
    this.auth = new AuthClient({ url });
  }

  static async signUp(url: string): Promise<Person> {
    const person = new Person(url);
    const { email, password } = person;
    await person.auth.signUp({ email, password, displayName: 'Hana', locale: 'en', timeZone: 'Asia/Tokyo' });
    return person;
  }

  /** Another connected device of this person. */
  async device(options: Partial<TsumugiClientOptions> = {}): Promise<TsumugiClient> {
    const client = this.offlineDevice(options);
    await client.connect();
    return client;
  }

  offlineDevice(options: Partial<TsumugiClientOptions> = {}): TsumugiClient {
    const getTicket = () => this.auth.socketTicket();
    // A command may wait for a server that is started again, on a machine that has little time for it.
    const patience = { backoff: { minMs: 20, maxMs: 200 }, openTimeoutMs: 60_000, requestTimeoutMs: 200_000 };
    const client = new TsumugiClient({ url: this.url, getTicket, ...patience, ...options });
    this.#clients.push(client);
    return client;
  }

  /** The same person, still signed in, at the server's new address. */
  moveTo(url: string): void {
    const { tokens } = this.auth;
    this.url = url;
    this.auth = new AuthClient({ url, ...(tokens === undefined ? {} : { tokens }) });
  }

  leave(): void {
    for (const client of this.#clients.splice(0)) client.close();
  }
}

/** A conversation with one of the avatars that come with the server. */
export async function openConversation(client: TsumugiClient, lang: 'en' | 'ja' = 'en'): Promise<Conversation> {
  const { avatars } = await client.request('companion.list_avatars', {});
  const avatar = avatars.find((candidate) => candidate.sample && candidate.lang === lang) ?? avatars[0];
  if (avatar === undefined) throw new Error('The server has no sample avatars.');
  const { conversationId } = await client.request('chat.open', { avatarId: avatar.avatarId, kind: 'conversation' });
  return client.conversation(conversationId);
}

/** Resolves at the first change after which the condition holds. */
export function when(conversation: Conversation, condition: () => boolean): Promise<void> {
  if (condition()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = conversation.onChange(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });
}
