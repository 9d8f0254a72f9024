/** A client that does nothing but read one long answer: the client library, with a look at when what arrives on which socket. */
import type { AuthClient } from '../../../protocol/auth-client.ts';
import type { Conversation } from '../../../protocol/client/conversation.ts';
import type { WebSocketConstructor } from '../../../protocol/client/environment.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import { WireWebSocket } from './wire-web-socket.ts';

/** The steps from being cut to reading again, in their order. */
export const steps = ['back-off', 'ticket', 'socket and greeting', 'answer to chat.attach', 'first text'] as const;
export type Step = (typeof steps)[number];

export class StreamingClient {
  readonly conversationId: string;
  readonly origin: string;
  readonly auth: AuthClient;
  readonly #client: TsumugiClient;
  #socket: WireWebSocket | undefined;
  #firstText = Promise.withResolvers<number>();
  /** By `performance.now`, when each step of the newest connection was over. */
  readonly reached = new Map<Step, number>();
  conversation: Conversation | undefined;

  constructor(origin: string, auth: AuthClient, conversationId: string) {
    this.origin = origin;
    this.auth = auth;
    this.conversationId = conversationId;
    const storming = this;
    const Watched = class extends WireWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        storming.#watch(this);
      }
    };
    this.#client = new TsumugiClient({
      url: origin,
      getTicket: async () => {
        this.#reach('back-off');
        const ticket = await auth.socketTicket();
        this.#reach('ticket');
        return ticket;
      },
      WebSocket: Watched satisfies WebSocketConstructor,
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
    this.reached.clear();
    this.#socket?.terminate();
  }

  close(): void {
    this.#client.close();
  }

  #reach(step: Step): void {
    this.reached.set(step, performance.now());
  }

  #watch(socket: WireWebSocket): void {
    this.#socket = socket;
    // Cheaper than reading it, which the library does.
    socket.look = (message) => {
      if (message.startsWith('{"type":"gateway.hello"')) this.#reach('socket and greeting');
      else if (message.startsWith('{"type":"reply"')) this.#reach('answer to chat.attach');
      else if (message.startsWith('{"type":"chat.delta"')) {
        socket.look = () => {};
        this.#reach('first text');
        this.#firstText.resolve(performance.now());
      }
    };
  }
}
