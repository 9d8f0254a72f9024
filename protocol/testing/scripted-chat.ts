/** One conversation as a server tells it: a growing answer, cursors, attaches. For the client's tests; without any database. */
import type { Message, RunningGeneration } from '../chat.ts';
import { type Command, id, type ScriptedConnection, type ScriptedServer } from './scripted-server.ts';

export const conversationId = id(1);
const at = '2026-01-01T00:00:00.000Z';

export function message(number: number, facts: Partial<Message> = {}): Message {
  return {
    messageId: id(number),
    conversationId,
    parentId: null,
    role: 'user',
    text: `message ${number}`,
    clientMessageId: null,
    generationId: null,
    finishReason: null,
    usage: null,
    siblings: [id(number)],
    createdAt: at,
    ...facts,
  };
}

export class ScriptedChat {
  readonly #server: ScriptedServer;
  /** The selected branch. */
  messages: Message[] = [];
  nextBefore: string | null = null;
  revision = 0;
  /** Pieces of the running answer that exist already. */
  pieces: string[] = [];
  epoch = 1;
  running = false;
  answerNumber = 500;
  /** Whether `after` is honoured. */
  resumes = true;
  /** Whether it is honoured for an answer that has ended too, as the server does for a while. */
  resumesEnded = false;
  /** Answers what the script of a test does not answer itself. */
  onOther: (connection: ScriptedConnection, command: Command) => void = () => {};

  constructor(server: ScriptedServer) {
    this.#server = server;
    server.onCommand = (connection, command) => this.#answer(connection, command);
  }

  get connection(): ScriptedConnection {
    return this.#server.connections.at(-1) as ScriptedConnection;
  }

  get text(): string {
    return this.pieces.join('');
  }

  describe(): RunningGeneration {
    return {
      generationId: id(this.answerNumber),
      messageId: id(this.answerNumber + 100),
      parentId: this.messages.at(-1)?.messageId ?? id(0),
      epoch: this.epoch,
      seq: this.pieces.length - 1,
      text: this.text,
    };
  }

  /** Pushes the pieces from `from` up to `to` as one delta. */
  delta(from: number, to = this.pieces.length, epoch = this.epoch): void {
    const text = this.pieces.slice(from, to).join('');
    const offset = this.pieces.slice(0, from).join('').length;
    if (to > from)
      this.connection.push('chat.delta', { generationId: id(this.answerNumber), epoch, seq: to - 1, offset, text });
  }

  snapshot(): void {
    this.connection.push('chat.snapshot', { conversationId, generation: this.describe() });
  }

  /** Stores the answer; `told` is false when nobody hears of it. */
  finish(told = true): void {
    const { generationId, messageId, parentId } = this.describe();
    const usage = { tokensIn: 3, tokensOut: this.pieces.length };
    const facts = {
      messageId,
      parentId,
      generationId,
      role: 'ai' as const,
      text: this.text,
      finishReason: 'stop' as const,
      usage,
    };
    this.revision += 1;
    this.running = false;
    this.messages = [...this.messages, message(this.answerNumber + 100, { ...facts, siblings: [messageId] })];
    if (told) this.done();
  }

  done(): void {
    this.connection.push('chat.done', {
      conversationId,
      generationId: id(this.answerNumber),
      messageId: id(this.answerNumber + 100),
      finishReason: 'stop',
      usage: { tokensIn: 3, tokensOut: this.pieces.length },
      ledger: { shard: 3, seq: 1, hash: 'a'.repeat(64) },
      length: this.text.length,
      revision: this.revision,
    });
  }

  /** Takes a message of the user and begins an answer. */
  begin(connection: ScriptedConnection, command: Command): void {
    const asked = message(400 + this.messages.length, {
      text: String(command.body['text']),
      parentId: this.messages.at(-1)?.messageId ?? null,
      clientMessageId: String(command.body['clientMessageId']),
    });
    this.messages = [...this.messages, asked];
    this.revision += 1;
    this.running = true;
    this.pieces = [];
    this.started(connection, command);
  }

  started(connection: ScriptedConnection, command: Command): void {
    const { generationId, messageId, parentId } = this.describe();
    connection.reply(command.id, {
      messageId: parentId,
      generationId,
      replyMessageId: messageId,
      revision: this.revision,
    });
  }

  #answer(connection: ScriptedConnection, command: Command): void {
    if (command.type === 'chat.attach') this.#attach(connection, command);
    else this.onOther(connection, command);
  }

  #attach(connection: ScriptedConnection, command: Command): void {
    const after = command.body['after'] as { seq: number; epoch: number } | undefined;
    const resumed =
      (this.running || this.resumesEnded) &&
      this.resumes &&
      after?.epoch === this.epoch &&
      after.seq < this.pieces.length;
    const running = this.running ? this.describe() : null;
    connection.reply(command.id, {
      conversation: {
        conversationId,
        avatarId: id(2),
        kind: 'conversation',
        lang: 'en',
        title: '',
        revision: this.revision,
        startedAt: at,
        lastMessageAt: null,
      },
      messages: this.messages,
      nextBefore: this.nextBefore,
      generation: running !== null && resumed ? { ...running, seq: after.seq, text: '' } : running,
      resumed,
    });
    if (resumed) this.delta(after.seq + 1);
    if (resumed && !this.running) this.done();
  }
}
