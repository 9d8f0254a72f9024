/** Messages stand once, in order, under their parents; every answer ends and stands where it belongs. Pure. */
import { type Asked, type ClientRecord, quoted } from '../people/record.ts';
import type { Stored, StoredGeneration, StoredMessage } from './stored.ts';
import type { Violation } from './violation.ts';

export function checkTree(record: ClientRecord, stored: Stored): Violation[] {
  const byId = new Map(stored.messages.map((one) => [one.id, one]));
  return [
    ...stored.messages.flatMap((message) => wrongPlace(message, byId)),
    ...stored.generations.flatMap((generation) => wrongGeneration(generation, byId)),
    ...headsAstray(stored, byId),
    ...wrongSends(record, stored),
  ];
}

function wrongPlace(message: StoredMessage, byId: ReadonlyMap<string, StoredMessage>): Violation[] {
  const broken = (detail: string): Violation[] => [
    { invariant: 'messages form a tree in order', subject: message.id, detail },
  ];
  const parent = message.parentId === null ? undefined : byId.get(message.parentId);
  if (message.parentId === null) return message.role === 'user' ? [] : broken('an answer to nothing');
  if (parent === undefined) return broken(`its parent ${message.parentId} does not exist`);
  if (parent.conversationId !== message.conversationId) return broken('its parent is in another conversation');
  if (message.role !== 'user' && parent.role !== 'user') return broken('an answer to an answer');
  if (parent.createdAtMs > message.createdAtMs) return broken('it is older than its parent');
  const seen = new Set<string>();
  for (
    let at: StoredMessage | undefined = message;
    at !== undefined;
    at = at.parentId === null ? undefined : byId.get(at.parentId)
  ) {
    if (seen.has(at.id)) return broken('it is its own ancestor');
    seen.add(at.id);
  }
  return [];
}

function wrongGeneration(generation: StoredGeneration, byId: ReadonlyMap<string, StoredMessage>): Violation[] {
  const broken = (detail: string): Violation[] => [
    { invariant: 'every answer ends once', subject: generation.id, detail },
  ];
  const { state, owner, epoch, finishReason, tokensIn, tokensOut, parentId, messageId } = generation;
  if (state !== 'ended') return broken(`it is ${state} at ${owner}, epoch ${epoch}`);
  const message = byId.get(messageId);
  if (message === undefined) return [];
  if (message.generationId !== generation.id || message.parentId !== parentId)
    return broken(`its message belongs to ${message.generationId} under ${message.parentId}`);
  const facts = [message.finishReason, message.tokensIn, message.tokensOut].join();
  const expected = [finishReason, tokensIn, tokensOut].join();
  return facts === expected ? [] : broken(`it says ${expected}, its message ${facts}`);
}

function headsAstray(stored: Stored, byId: ReadonlyMap<string, StoredMessage>): Violation[] {
  return stored.conversations.flatMap(({ id, headMessageId }): Violation[] => {
    const head = headMessageId === null ? undefined : byId.get(headMessageId);
    if (headMessageId === null || head?.conversationId === id) return [];
    return [{ invariant: 'the selected branch exists', subject: id, detail: `its head ${headMessageId} is not there` }];
  });
}

/** What was acknowledged is stored once, whatever was repeated; what was not may be there, but not twice. */
function wrongSends(record: ClientRecord, stored: Stored): Violation[] {
  const invariant = 'a clientMessageId is one message';
  const byClientId = Map.groupBy(stored.messages, (one) => `${one.userId} ${one.clientMessageId}`);
  const byRequest = Map.groupBy(stored.generations, (one) => `${one.userId} ${one.clientRequestId}`);
  return [...record.asked].flatMap(([clientMessageId, asked]): Violation[] => {
    const broken = (detail: string): Violation[] => [{ invariant, subject: clientMessageId, detail }];
    const messages = byClientId.get(`${asked.userId} ${clientMessageId}`) ?? [];
    const requests = byRequest.get(`${asked.userId} ${clientMessageId}`) ?? [];
    if (messages.length > 1 || requests.length > 1)
      return broken(`${messages.length} messages, ${requests.length} generations`);
    if (asked.acknowledged.size > 1)
      return broken(`it was acknowledged as ${[...asked.acknowledged].join(' and as ')}`);
    return wrongAcknowledgement(asked, messages[0], stored).flatMap(broken);
  });
}

function wrongAcknowledgement(asked: Asked, message: StoredMessage | undefined, stored: Stored): string[] {
  const [acknowledged] = asked.acknowledged;
  if (message !== undefined && asked.text !== undefined && message.text !== asked.text)
    return [`it is stored as ${quoted(message.text)} instead of ${quoted(asked.text)}`];
  if (acknowledged === undefined) return [];
  const [messageId, generationId] = acknowledged.split(' ');
  if (!stored.messages.some(({ id }) => id === messageId)) return [`its message ${messageId} is gone`];
  const generation = stored.generations.find(({ id }) => id === generationId);
  if (generation === undefined) return [`its generation ${generationId} is gone`];
  return generation.parentId === messageId ? [] : [`its generation answers ${generation.parentId}`];
}
