/** One device of a person: the client library over a route, with a tap on its wire. Signs in again when its session has ended. */
import { AuthClient } from '../../../protocol/auth-client.ts';
import type { Conversation } from '../../../protocol/client/conversation.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import { codecs } from '../../../protocol/codec.ts';
import type { ClientRecord } from './record.ts';
import { Route } from './route.ts';
import { WireTap } from './wire-tap.ts';

export type Account = { email: string; password: string; userId: string };
/** Not resolved by anything: every call goes through the route. */
const anyGateway = 'http://gateway.invalid';
/** Quick to come back, so that a short run sees many reconnects; and quick to give up a gateway that does not answer. */
const patience = {
  backoff: { minMs: 100, maxMs: 1_500 },
  openTimeoutMs: 4_000,
  heartbeatMs: 4_000,
  requestTimeoutMs: 20_000,
};

export class Device {
  readonly name: string;
  readonly route: Route;
  readonly #record: ClientRecord;
  readonly #account: Account;
  readonly #auth: AuthClient;
  readonly #codec: 'json' | 'msgpack';
  #client: TsumugiClient | undefined;
  signIns = 0;

  constructor(
    name: string,
    account: Account,
    record: ClientRecord,
    place: { origins: readonly string[]; first: number; codec: 'json' | 'msgpack' },
  ) {
    this.name = name;
    this.#account = account;
    this.#record = record;
    this.route = new Route(place.origins, place.first);
    this.#auth = new AuthClient({ url: anyGateway, fetch: this.route.fetch, timeoutMs: 4_000 });
    this.#codec = place.codec;
  }

  get online(): boolean {
    return this.#client?.state === 'connected';
  }

  /** Connected, or on its way back by itself. @throws TsumugiError when no gateway takes the password just now. */
  async client(): Promise<TsumugiClient> {
    if (this.#client !== undefined && this.#client.state !== 'closed') return this.#client;
    if (this.#auth.tokens === undefined) {
      await this.#auth.signIn(this.#account.email, this.#account.password);
      this.signIns += 1;
    }
    const tap = new WireTap(this.#record, this.name, this.#account.userId, codecs[`tsumugi.v1.${this.#codec}`]);
    const client = new TsumugiClient({
      ...patience,
      url: anyGateway,
      codec: this.#codec,
      fetch: this.route.fetch,
      getTicket: () => this.#auth.socketTicket(),
      WebSocket: this.route.constructorFor(tap),
      pageSize: 200,
    });
    this.#client = client;
    await client.connect();
    return client;
  }

  async conversation(conversationId: string): Promise<Conversation> {
    return (await this.client()).conversation(conversationId);
  }

  /** Ends the program on the device; the session stays for the next start. */
  leave(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}
