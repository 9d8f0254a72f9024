/**
 * The load client: one process on a core of its own, told over the channel what to open and when to ask.
 * It measures nothing about servers; it only counts what reaches it.
 */
import { answerCommands } from '../ipc.ts';
import { askModel, type ModelAnswer } from './ask-model.ts';
import type { LineOptions } from './dialect.ts';
import { Group, type Pair, type StartOptions } from './group.ts';
import type { Tally } from './talker.ts';

export type ClientCommand =
  | { do: 'ask-model'; modelUrl: string; maxTokens: number }
  | { do: 'open'; group: string; lines: LineOptions[]; expected?: string }
  | { do: 'open-idle'; group: string; lines: LineOptions[] }
  | ({ do: 'start'; group: string } & StartOptions)
  | { do: 'count' | 'forget-pairs' | 'finish' | 'close'; group: string };
export type ClientCount = Tally & { pairs: Pair[] };
export type { ModelAnswer };

const groups = new Map<string, Group>();

function group(name: string): Group {
  let found = groups.get(name);
  if (!found) {
    found = new Group();
    groups.set(name, found);
  }
  return found;
}

async function handle(command: ClientCommand): Promise<unknown> {
  switch (command.do) {
    case 'ask-model':
      return askModel(command.modelUrl, 'Hello', command.maxTokens);
    case 'open':
      return group(command.group).open(command.lines, command.expected);
    case 'open-idle':
      return group(command.group).openIdle(command.lines);
    case 'start':
      return group(command.group).start(command);
    case 'count':
      return group(command.group).count();
    case 'forget-pairs':
      return group(command.group).forgetPairs();
    case 'finish':
      await group(command.group).finish();
      return group(command.group).count();
    case 'close':
      group(command.group).close();
      groups.delete(command.group);
      return undefined;
  }
}

answerCommands(handle);
process.on('disconnect', () => process.exit());
