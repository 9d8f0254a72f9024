/** Questions and answers between the harness and the processes it starts, over Node's own channel. */
import type { ChildProcess } from 'node:child_process';

type Question = { ask: number; command: unknown };
type Reply = { answer: number; value?: unknown; error?: string };

/** The asking side. Every call has one answer; the death of the other process rejects what is open. */
export class Remote {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    child.on('message', (message: Reply) => {
      const waiting = this.#open.get(message.answer);
      this.#open.delete(message.answer);
      if (message.error === undefined) waiting?.resolve(message.value);
      else waiting?.reject(new Error(`${name}: ${message.error}`));
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#open.values()) reject(new Error(`${name} ended (${signal ?? code})`));
      this.#open.clear();
    });
  }

  call<Value>(command: unknown): Promise<Value> {
    return new Promise((resolve, reject) => {
      const ask = this.#next++;
      this.#open.set(ask, { resolve: (value) => resolve(value as Value), reject });
      this.#child.send({ ask, command } satisfies Question, (error) => error && reject(error));
    });
  }
}

/** The answering side: `handle` is called for every command; what it throws reaches the asker as text. */
export function answerCommands<Command>(handle: (command: Command) => unknown): void {
  process.on('message', async ({ ask, command }: Question) => {
    let reply: Reply;
    try {
      reply = { answer: ask, value: await handle(command as Command) };
    } catch (error) {
      reply = { answer: ask, error: error instanceof Error ? error.message : String(error) };
    }
    process.send?.(reply);
  });
}
