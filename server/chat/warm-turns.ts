/**
 * Turns that are made of what is known here, one at a time in a conversation. Such a turn may ask the model before it is committed, and
 * what was asked for a turn that another one overtakes is paid for by nobody: whoever comes meanwhile waits until it is written, and
 * reads what it has made of the conversation.
 */
export class WarmTurns {
  readonly #writing = new Map<string, Promise<void>>();

  /** Undefined when none is being written. To be asked again when it resolves: somebody else may have been quicker. */
  written(conversationId: string): Promise<void> | undefined {
    return this.#writing.get(conversationId);
  }

  /** Begins at once; only where `written` gives nothing. */
  async write<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing.set(conversationId, promise);
    try {
      return await work();
    } finally {
      this.#writing.delete(conversationId);
      resolve();
    }
  }
}
