/**
 * Entry of worker threads that fail on demand; for the tests of the pool. The first text of `memory/embed-text` says how. Loads
 * no tables, so that a thread which replaces a dead one is there at once.
 */
import { embedTexts } from '../memory/embed-text.ts';
import type { TaskAnswer, TaskCall } from '../worker.ts';

export default function runOrFail(call: TaskCall): TaskAnswer | Promise<TaskAnswer> {
  if (call.task !== 'memory/embed-text') return { ok: true, value: undefined };
  const [command = '', argument] = call.input.texts;
  switch (command) {
    case 'exit':
      return process.exit(1);
    case 'throw later':
      setImmediate(() => {
        throw new Error('thrown outside of the task');
      });
      return new Promise(() => {});
    case 'eat memory': {
      const eaten: number[][] = [];
      for (;;) eaten.push(new Array<number>(100_000).fill(eaten.length));
    }
    case 'exit once': {
      const flag = new Int32Array((call.input as unknown as { flag: SharedArrayBuffer }).flag);
      if (Atomics.add(flag, 0, 1) === 0) process.exit(1);
      return embed(call);
    }
    case 'spin':
      for (;;);
    case 'wait': {
      // Until the test lets go: [0] counts the tasks that have begun, [1] is the gate.
      const gate = new Int32Array((call.input as unknown as { flag: SharedArrayBuffer }).flag);
      Atomics.add(gate, 0, 1);
      Atomics.notify(gate, 0);
      Atomics.wait(gate, 1, 0);
      return { ok: true, value: argument };
    }
    default:
      return embed(call);
  }
}

function embed({ input }: Extract<TaskCall, { task: 'memory/embed-text' }>): TaskAnswer {
  return { ok: true, value: embedTexts(input.texts, input.dimensions) };
}
