/** Nothing that was shown is lost, and every stored text is the right one. Pure. */

import { type ClientRecord, quoted } from '../people/record.ts';
import { answerPieces, answerText, findTag } from '../story.ts';
import type { Stored, StoredEntry, StoredMessage } from './stored.ts';
import type { Violation } from './violation.ts';

export function checkTexts(record: ClientRecord, stored: Stored): Violation[] {
  const byGeneration = new Map(
    stored.messages.flatMap((one) => (one.generationId === null ? [] : [[one.generationId, one]])),
  );
  const byId = new Map(stored.messages.map((one) => [one.id, one]));
  return [
    ...lostTexts(record, byGeneration),
    ...[...record.messages.values()].flatMap((shown): Violation[] => {
      const kept = byId.get(shown.messageId);
      const invariant = 'messages that were shown are stored';
      if (kept === undefined) return [{ invariant, subject: shown.messageId, detail: `${quoted(shown.text)} is gone` }];
      if (kept.text === shown.text && kept.parentId === shown.parentId) return [];
      return [
        { invariant, subject: shown.messageId, detail: `shown ${quoted(shown.text)}, stored ${quoted(kept.text)}` },
      ];
    }),
    ...stored.messages.flatMap((message) => wrongAnswer(message, byId)),
    ...wrongEnds(record, stored),
    ...wrongCounts(stored, byId),
  ];
}

function lostTexts(record: ClientRecord, byGeneration: ReadonlyMap<string, StoredMessage>): Violation[] {
  const invariant = 'nothing shown is lost';
  return [...record.shown].flatMap(([generationId, { text, device }]): Violation[] => {
    // The half of a pair that a delta ended with is no character yet; nobody was shown it.
    const whole = wholeCharacters(text);
    const kept = byGeneration.get(generationId)?.text ?? '';
    if (kept.startsWith(whole)) return [];
    const detail = `${device} was shown ${whole.length} units (… ${quoted(whole.slice(-40))}), stored are ${kept.length} (… ${quoted(kept.slice(-40))})`;
    return [{ invariant, subject: generationId, detail }];
  });
}

/** An answer is the answer to its own question: whole when the model ended it, its beginning otherwise. */
function wrongAnswer(message: StoredMessage, byId: ReadonlyMap<string, StoredMessage>): Violation[] {
  if (message.generationId === null) return [];
  const invariant = 'answers answer their question';
  const subject = message.generationId;
  const asked = message.parentId === null ? undefined : byId.get(message.parentId);
  const tag = findTag(asked?.text ?? '');
  if (tag === undefined) return [{ invariant, subject, detail: 'its question is not one of this run' }];
  const expected = answerText(tag);
  const { text, finishReason } = message;
  if (finishReason === 'stop' ? text === expected : expected.startsWith(wholeCharacters(text))) return [];
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at += 1;
  const detail = `${finishReason}, ${text.length} of ${expected.length} units; at ${at} it says ${quoted(text.slice(at, at + 40))} instead of ${quoted(expected.slice(at, at + 40))}`;
  return [{ invariant, subject, detail }];
}

/** What clients were told of the end is what is stored. */
function wrongEnds(record: ClientRecord, stored: Stored): Violation[] {
  const generations = new Map(stored.generations.map((one) => [one.id, one]));
  const lengths = new Map(stored.messages.map((one) => [one.id, one.text.length]));
  // Of the two parts of one that took granted and bought tokens, the first is told.
  const entries = new Map(stored.entries.toSorted(byAsset).map((one) => [one.generationId, one]));
  return [...record.ends.values()].flatMap((done): Violation[] => {
    const kept = generations.get(done.generationId);
    const told = JSON.stringify([
      done.finishReason,
      done.usage.tokensIn,
      done.usage.tokensOut,
      done.length,
      done.ledger?.seq ?? null,
      done.ledger?.hash ?? null,
    ]);
    const length = (kept && lengths.get(kept.messageId)) ?? 0;
    const entry = entries.get(done.generationId);
    const place = [entry?.seq ?? null, entry?.hash ?? null];
    const found = kept && JSON.stringify([kept.finishReason, kept.tokensIn, kept.tokensOut, length, ...place]);
    if (told === found) return [];
    return [
      {
        invariant: 'ends are told as they are stored',
        subject: done.generationId,
        detail: `told ${told}, stored ${found}`,
      },
    ];
  });
}

/** What the model said that it used. Where a second model call went on, or the end was cut off, it was counted here instead. */
function wrongCounts(stored: Stored, byId: ReadonlyMap<string, StoredMessage>): Violation[] {
  return stored.generations.flatMap(({ id, epoch, finishReason, parentId, messageId, tokensOut }): Violation[] => {
    const tag = findTag(byId.get(parentId)?.text ?? '');
    const written = byId.has(messageId);
    if (tag === undefined) return [];
    const exact = finishReason === 'stop' && epoch === 1;
    const pieces = answerPieces(tag).length;
    const found = tokensOut ?? 0;
    if (exact ? found === pieces : written === found > 0) return [];
    const detail = `${finishReason} in epoch ${epoch}, ${found} tokens counted, the model wrote ${exact ? pieces : written ? 'some' : 'none'}`;
    return [{ invariant: 'usage is what the model wrote', subject: id, detail }];
  });
}

function wholeCharacters(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text;
}

/** `token` after `addon_token`. */
const byAsset = (a: StoredEntry, b: StoredEntry): number => (a.asset < b.asset ? -1 : 1);
