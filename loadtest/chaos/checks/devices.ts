/** In the end all devices of a person show the same, and it is what is stored. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Person, shownBranch } from '../people/person.ts';
import { quoted } from '../people/record.ts';
import type { Stored, StoredMessage } from './stored.ts';
import type { Violation } from './violation.ts';

/** A device may still be on its way back when it is first looked at. */
const patienceMs = 10_000;
const lookEveryMs = 100;

export async function checkDevices(people: readonly Person[], stored: Stored): Promise<Violation[]> {
  const byId = new Map(stored.messages.map((one) => [one.id, one]));
  const heads = new Map(stored.conversations.map((one) => [one.id, one.headMessageId]));
  const found = await Promise.all(
    people.flatMap((person) =>
      person.conversationIds.flatMap((conversationId) => {
        const branch = selectedBranch(heads.get(conversationId) ?? null, byId);
        return person.devices.map((device) => compare(device, conversationId, branch));
      }),
    ),
  );
  return found.flat();
}

/** Oldest first. */
export function selectedBranch(head: string | null, byId: ReadonlyMap<string, StoredMessage>): StoredMessage[] {
  const branch: StoredMessage[] = [];
  for (let at = head === null ? undefined : byId.get(head); at !== undefined && branch.length <= byId.size; ) {
    branch.unshift(at);
    at = at.parentId === null ? undefined : byId.get(at.parentId);
  }
  return branch;
}

async function compare(
  device: Person['devices'][number],
  conversationId: string,
  branch: StoredMessage[],
): Promise<Violation[]> {
  const invariant = 'all devices show what is stored';
  const subject = conversationId;
  const until = performance.now() + patienceMs;
  let seen = '';
  try {
    const conversation = await device.conversation(conversationId);
    for (;;) {
      const { messages } = conversation;
      // The library holds the newest page; what is before it was not asked for.
      const expected = branch.slice(conversation.hasOlder ? -messages.length : 0);
      const wanted = JSON.stringify(expected.map(({ id, text }) => [id, text]));
      seen = shownBranch(messages);
      if (seen === wanted && conversation.generation === undefined) return [];
      if (performance.now() > until) {
        const place = messages.findIndex(
          (one, at) => one.messageId !== expected[at]?.id || one.text !== expected[at]?.text,
        );
        const shown = messages.at(place === -1 ? messages.length : place);
        const running =
          conversation.generation === undefined
            ? ''
            : `; it still shows ${conversation.generation.generationId} as running`;
        const detail = `${device.name} shows ${messages.length} messages, ${expected.length} are selected; they part at ${place}, shown ${quoted(shown?.text ?? '')} (${shown?.messageId}), stored ${quoted(expected[place]?.text ?? '')} (${expected[place]?.id})${running}`;
        return [{ invariant, subject, detail }];
      }
      await delay(lookEveryMs);
    }
  } catch (error) {
    return [{ invariant, subject, detail: `${device.name} cannot look: ${String(error)}` }];
  }
}
