/** A client that does nothing but read one long answer: the client library, with a look at when text arrives on which socket. */
import { WebSocket } from 'ws';
import type { AuthClient } from '../../../protocol/auth-client.ts';
import type { Conversation } from '../../../protocol/client/conversation.ts';
import type { WebSocketConstructor } from '../../../protocol/client/environment.ts';
import { TsumugiClient } from '../../../protocol/client.ts';

export class StreamingClient {
  readonly conversationId: string;
  readonly origin: string;
  readonly auth: AuthClient;
  readonly #client: TsumugiClient;
  #socket: WebSocket | undefined;
  #firstText = Promise.withResolvers<number>();
  conversation: Conversation | undefined;

  constructor(origin: string, auth: AuthClient, conversationId: string) {
    this.origin = origin;
    this.auth = auth;
    this.conversationId = conversationId;
    const storming = this;
    const Watched = class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { perMessageDeflate: false });
        storming.#socket = this;
        const look = (data: unknown) => {
          if (!String(data).startsWith('{"type":"chat.delta"')) return;
          this.off('message', look);
          storming.#firstText.resolve(performance.now());
        };
        this.on('message', look);
        this.on('error', () => {});
      }
    };
    this.#client = new TsumugiClient({
      url: origin,
      getTicket: () => auth.socketTicket(),
      WebSocket: Watched as unknown as WebSocketConstructor,
    });
  }

  async open(): Promise<void> {
    await this.#client.connect();
    this.conversation = await this.#client.conversation(this.conversationId);
  }

  /** When the first text came on the newest socket, by `performance.now`. */
  get firstText(): Promise<number> {
    return this.#firstText.promise;
  }

  /** As when the network is gone. Text of the next socket counts as new. */
  cut(): void {
    this.#firstText = Promise.withResolvers();
    this.#socket?.terminate();
  }

  close(): void {
    this.#client.close();
  }
}
