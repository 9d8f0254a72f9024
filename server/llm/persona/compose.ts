/**
 * Makes an answer out of a scene: react, show that it was heard, add a thought, perhaps a memory, ask one thing.
 * Deterministic for a seed. Avoids sentences that it has used in this dialogue.
 */
import { likeness } from './likeness.ts';
import type { Mood } from './mood.ts';
import { Random } from './random.ts';
import type { Scene } from './read-prompt.ts';
import { type Repertoire, repertoireOf } from './repertoire.ts';

/** Kinds of message that want no echo of their words and no memories in between. */
const plain = new Set<Mood>([
  'danger',
  'farewell',
  'machine',
  'thanks',
  'joke',
  'poem',
  'request',
  'language',
  'rude',
  'nod',
]);

/** Kinds that want an answer instead of an echo. */
const silent = new Set<Mood>(['greeting', 'who', 'question', 'advice']);

/** Kinds in which a person's own words must not be admired. */
const gentle = new Set<Mood>(['sad', 'tired', 'worried', 'angry']);

export function compose(scene: Scene, seed: number): string {
  const random = new Random(seed);
  const lines = repertoireOf(scene.lang, scene.register);
  const speaker = new Speaker(scene, lines, random);
  const sentences = scene.greets && scene.said.length === 0 ? [speaker.say(lines.hello)] : [];
  const isKnown = scene.mood === 'question' && scene.answer !== undefined;
  if (scene.answer !== undefined && isKnown) sentences.push(speaker.answer(scene.answer));
  else {
    sentences.push(speaker.say(lines.openers[scene.mood]));
    if (scene.mood === 'recall') sentences.push(...recall(scene, lines, speaker));
    else sentences.push(...respond(scene, lines, speaker, random));
  }
  sentences.push(speaker.say(isKnown ? lines.back : (lines.questions[scene.mood] ?? lines.questions.story)));
  const text = sentences.filter((sentence) => sentence !== undefined).join(scene.lang === 'en' ? ' ' : '');
  return scene.said.length === 0 ? `${text}\n\n${lines.note}` : text;
}

function respond(scene: Scene, lines: Repertoire, speaker: Speaker, random: Random): (string | undefined)[] {
  const { mood } = scene;
  const thought = speaker.say(lines.thoughts[mood] ?? lines.thoughts.story);
  if (plain.has(mood)) return [thought];
  if (mood === 'intro') return [scene.topic === undefined ? thought : speaker.say(lines.echoes)];
  const echo = silent.has(mood) ? undefined : speaker.say(gentle.has(mood) ? lines.gentleEchoes : lines.echoes);
  // What the person told once is worth mentioning more often than what the avatar knows about itself.
  const [memory] = scene.memories;
  const isFitting = scene.fittingMemories > 0;
  if (memory !== undefined && random.chance(isFitting ? 0.7 : gentle.has(mood) ? 0.45 : 0.12))
    return [echo, thought, speaker.remember(memory)];
  if (scene.earlierTopic !== undefined && !gentle.has(mood) && random.chance(0.3))
    return [echo, thought, speaker.say(lines.earlier)];
  const [fact] = scene.facts;
  if (fact !== undefined && !gentle.has(mood) && random.chance(mood === 'who' ? 0.9 : 0.3))
    return [echo, thought, speaker.tell(fact)];
  return [echo, thought];
}

function recall(scene: Scene, lines: Repertoire, speaker: Speaker): (string | undefined)[] {
  const { memories, heard, fittingMemories, userText } = scene;
  const [here] = heard;
  // What was said in this talk is remembered first when it is what is asked for.
  if (
    here !== undefined &&
    (fittingMemories === 0 || likeness(here, userText) >= likeness(memories[0] ?? '', userText))
  )
    return [speaker.remember(here)];
  if (memories.length > 0) return memories.slice(0, 2).map((memory) => speaker.remember(memory));
  return [speaker.say(lines.noMemory)];
}

class Speaker {
  readonly #scene: Scene;
  readonly #lines: Repertoire;
  readonly #random: Random;
  readonly #used = new Set<string>();
  readonly #said: string;

  constructor(scene: Scene, lines: Repertoire, random: Random) {
    this.#scene = scene;
    this.#lines = lines;
    this.#random = random;
    this.#said = scene.said.slice(-6).join('\n');
  }

  /** One line of the list whose places can all be filled; a fresh one when there is any. */
  say(list: readonly string[]): string | undefined {
    const fitting = list.filter((line) => this.#fits(line) && !this.#used.has(line));
    const fresh = fitting.filter((line) => !this.#said.includes(fixedPart(line)));
    const choices = fresh.length > 0 ? fresh : fitting;
    if (choices.length === 0) return undefined;
    const line = this.#random.pick(choices);
    this.#used.add(line);
    return this.#fill(line, '');
  }

  /** Something that the person said. */
  remember(memory: string): string | undefined {
    return this.#mention(this.#lines.memories, memory);
  }

  /** Something about the avatar, in its own words where the language allows. */
  tell(fact: string): string | undefined {
    const own = this.#inOwnWords(fact);
    return own === undefined ? this.#mention(this.#lines.selfMemories, fact) : this.#mention(this.#lines.asides, own);
  }

  /** What the avatar was asked about itself. */
  answer(fact: string): string | undefined {
    const own = this.#inOwnWords(fact);
    return own === undefined ? this.tell(fact) : this.#mention(this.#lines.answers, own);
  }

  #inOwnWords(fact: string): string | undefined {
    const { name } = this.#scene;
    if (name === undefined) return undefined;
    const { self, selfs } = this.#lines;
    if (self !== undefined) return fact.replaceAll(name, self);
    const owned = [`${name}’s `, `${name}'s `].find((start) => fact.startsWith(start));
    return owned === undefined ? undefined : selfs + fact.slice(owned.length);
  }

  #mention(lines: readonly string[], memory: string): string | undefined {
    const choices = lines.filter((line) => !this.#used.has(line));
    if (choices.length === 0) return undefined;
    const line = this.#random.pick(choices);
    this.#used.add(line);
    return this.#fill(line, trimMemory(memory));
  }

  #fits(line: string): boolean {
    const { topic, quote, earlierTopic } = this.#scene;
    if (line.includes('{t}') && topic === undefined) return false;
    if (line.includes('{q}') && quote === undefined) return false;
    if (line.includes('{u}') && this.#scene.introduced === undefined) return false;
    return !(line.includes('{p}') && earlierTopic === undefined);
  }

  #fill(line: string, memory: string): string {
    const { name, topic, quote, earlierTopic } = this.#scene;
    const values: Record<string, string | undefined> = {
      n: name ?? this.#lines.nameless,
      t: topic,
      q: quote,
      p: earlierTopic,
      m: memory,
      u: this.#scene.introduced,
    };
    return line.replace(/\{([ntqpmu])\}/g, (_, key: string) => values[key] ?? '');
  }
}

/** The longest stretch of a line that stands in every use of it. */
function fixedPart(line: string): string {
  return line.split(/\{[ntqpmu]\}/).reduce((longest, part) => (part.length > longest.length ? part : longest), '');
}

function trimMemory(memory: string): string {
  const short = memory.length <= 120 ? memory : `${memory.slice(0, 118).toWellFormed()}…`;
  return short.replace(/[。.！!「」“”]+$/u, '').replace(/[「」“”]/g, '');
}
