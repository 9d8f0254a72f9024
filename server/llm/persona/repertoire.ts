/**
 * The shape of what the persona can say. `{n}` name, `{t}` topic of the message, `{q}` a quote from it, `{m}` a memory,
 * `{p}` an earlier topic. A line is used only when everything it names is there.
 */
import type { Mood } from './mood.ts';
import type { Lang, Register } from './read-prompt.ts';
import { repertoireEn } from './repertoire-en.ts';
import { repertoireJaCasual } from './repertoire-ja-casual.ts';
import { repertoireJaPolite } from './repertoire-ja-polite.ts';

export type Repertoire = {
  /** First words, by kind of message. */
  openers: Readonly<Record<Mood, readonly string[]>>;
  /** Shows that it was heard. */
  echoes: readonly string[];
  /** What follows; kinds that are missing take `story`. */
  thoughts: Readonly<Partial<Record<Mood, readonly string[]>> & { story: readonly string[] }>;
  /** Of something that the person said once. */
  memories: readonly string[];
  /** Of something about the avatar itself. */
  selfMemories: readonly string[];
  /** What the avatar calls itself in place of its name, where that reads well. */
  self: string | undefined;
  /** When asked what it remembers and there is nothing. */
  noMemory: readonly string[];
  earlier: readonly string[];
  questions: Readonly<Partial<Record<Mood, readonly string[]>> & { story: readonly string[] }>;
  /** For an unnamed avatar. */
  nameless: string;
  /** Ends the first answer of a conversation: nobody shall take this for a language model. */
  note: string;
};

export function repertoireOf(lang: Lang, register: Register): Repertoire {
  if (lang === 'en') return repertoireEn(register === 'dry');
  return register === 'casual' ? repertoireJaCasual : repertoireJaPolite;
}
