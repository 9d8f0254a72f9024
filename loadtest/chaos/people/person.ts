/** One person of a run: talks, changes his mind, stops, goes back, puts devices away and takes them up again, all by chance from the seed. */
import type { Message } from '../../../protocol/chat.ts';
import type { Conversation } from '../../../protocol/client/conversation.ts';
import { TsumugiError } from '../../../protocol/client/error.ts';
import type { Generation } from '../../../protocol/client/generation.ts';
import type { Random } from '../random.ts';
import { question } from '../story.ts';
import type { Device } from './device.ts';
import type { Tally } from './tally.ts';

const weights = { send: 10, regenerate: 3, edit: 2, select: 2, cut: 2, leave: 2, slow: 2, look: 2, move: 1 } as const;
type Act = keyof typeof weights;
/** What became of a question that was asked when everything was well again. */
export type Proof = { conversationId: string; outcome: string; generationId?: string };
type Place = { conversation: Conversation; device: Device };

/** Nobody watches an answer for longer; what came of it is found out at the end. */
const watchMs = 40_000;

export class Person {
  readonly name: string;
  readonly userId: string;
  readonly devices: readonly Device[];
  readonly conversationIds: readonly string[];
  readonly #random: Random;
  readonly #tally: Tally;
  #questions = 0;
  #stopping = Promise.withResolvers<void>();

  constructor(
    who: { name: string; userId: string; devices: readonly Device[]; conversationIds: readonly string[] },
    random: Random,
    tally: Tally,
  ) {
    this.name = who.name;
    this.userId = who.userId;
    this.devices = who.devices;
    this.conversationIds = who.conversationIds;
    this.#random = random;
    this.#tally = tally;
  }

  /** Until `stop`. */
  async live(): Promise<void> {
    let stopped = false;
    void this.#stopping.promise.then(() => {
      stopped = true;
    });
    while (!stopped) {
      const act = this.#random.weighted(weights);
      await this.#try(act, () => this.#do(act));
      await this.#wait(this.#random.between(50, 800));
    }
    for (const device of this.devices) device.route.resume();
  }

  stop(): void {
    this.#stopping.resolve();
  }

  /**
   * Sends one question in each conversation while all devices look, and waits for its whole answer.
   * @returns what became of each.
   */
  async proveAlive(): Promise<Proof[]> {
    const proofs: Proof[] = [];
    for (const conversationId of this.conversationIds)
      proofs.push(
        await this.#lastWord(conversationId).catch((error: unknown) => ({ conversationId, outcome: String(error) })),
      );
    return proofs;
  }

  async #lastWord(conversationId: string): Promise<Proof> {
    const conversations = await Promise.all(this.devices.map((device) => device.conversation(conversationId)));
    for (const conversation of conversations) await conversation.generation?.done;
    const generation = await conversations[0]?.send(question(this.#tag()));
    const outcome = (await generation?.done)?.finishReason ?? 'no device';
    return { conversationId, outcome, ...(generation && { generationId: generation.generationId }) };
  }

  #tag(): string {
    this.#questions += 1;
    return `${this.name}-${this.#questions}`;
  }

  async #try(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.#tally.add(`did ${name}`);
    } catch (error) {
      this.#tally.add(`error ${error instanceof TsumugiError ? error.code : String(error)}`);
    }
  }

  async #do(act: Act): Promise<void> {
    const device = this.#device();
    if (act === 'cut') return device.route.cut();
    if (act === 'slow') return this.#readSlowly(device);
    if (act === 'leave') return this.#leave(device);
    if (act === 'move') {
      device.route.change();
      return device.route.cut();
    }
    const conversationId = this.#random.pick(this.conversationIds) ?? '';
    const place = { device, conversation: await device.conversation(conversationId) };
    if (act === 'look') await place.conversation.loadOlder(this.#random.between(1, 20));
    else if (act === 'select') await this.#select(place);
    else await this.#speak(act, place);
  }

  async #speak(act: 'send' | 'regenerate' | 'edit', place: Place): Promise<void> {
    const { conversation } = place;
    if (conversation.generation !== undefined) {
      // Somebody else of this account began an answer: watch it, or stop it.
      await this.#watch(conversation.generation, place);
      return;
    }
    const edited = this.#random.pick(conversation.messages.filter(({ role }) => role === 'user'));
    const text = question(this.#tag());
    if (act === 'regenerate' && conversation.messages.length > 0)
      await this.#watch(await conversation.regenerate(), place);
    else if (act === 'edit' && edited !== undefined)
      await this.#watch(await conversation.edit(edited.messageId, text), place);
    else await this.#send(text, place);
  }

  /** Sometimes two devices send the same at once, as when a tap on one was repeated on the other. */
  async #send(text: string, place: Place): Promise<void> {
    const { conversation } = place;
    const parentId = conversation.messages.at(-1)?.messageId ?? null;
    const clientMessageId = `${this.name}.${this.#questions}`;
    const sending = conversation.send(text, { clientMessageId, parentId });
    if (this.#random.chance(0.2)) {
      const other = await this.#device().conversation(conversation.conversationId);
      const twin = other.send(text, { clientMessageId, parentId });
      const both = await Promise.allSettled([sending, twin]);
      const ids = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value.generationId] : []));
      this.#tally.add(ids.length === 2 && ids[0] === ids[1] ? 'twin same answer' : 'twin one refused');
    }
    await this.#watch(await sending, place);
  }

  async #watch(generation: Generation, place: Place): Promise<void> {
    if (this.#random.chance(0.25)) {
      await this.#wait(this.#random.between(0, 2_500));
      await this.#stopFromAnywhere(generation, place);
    } else if (this.#random.chance(0.15)) {
      await this.#wait(this.#random.between(0, 1_500));
      place.device.route.cut();
    }
    const seen = await Promise.race([generation.done, this.#wait(watchMs)]);
    this.#tally.add(seen === undefined ? 'end not watched' : `end ${seen.finishReason}`);
  }

  async #stopFromAnywhere(generation: Generation, { conversation }: Place): Promise<void> {
    const client = await this.#device().client();
    const { stopped } = await client.request('chat.stop', { generationId: generation.generationId });
    this.#tally.add(stopped ? 'stop in time' : 'stop too late');
    if (!stopped && conversation.generation === generation) this.#tally.add('stop too late, end not yet told');
  }

  async #select({ conversation }: Place): Promise<void> {
    const forks = conversation.messages.filter((message) => message.siblings.length > 1);
    const other = this.#random.pick(this.#random.pick(forks)?.siblings ?? []);
    if (other !== undefined) await conversation.select(other);
  }

  async #readSlowly(device: Device): Promise<void> {
    device.route.pause();
    await this.#wait(this.#random.between(500, 3_000));
    device.route.resume();
  }

  async #leave(device: Device): Promise<void> {
    device.leave();
    await this.#wait(this.#random.between(100, 2_000));
    await device.conversation(this.#random.pick(this.conversationIds) ?? '');
  }

  #device(): Device {
    const device = this.#random.pick(this.devices);
    if (device === undefined) throw new Error('A person without a device.');
    return device;
  }

  /** Shorter when the run ends. */
  async #wait(ms: number): Promise<undefined> {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([passed, this.#stopping.promise]);
    clearTimeout(timer);
    return undefined;
  }
}

/** What a device shows of a conversation, to compare: ids and texts in order. */
export function shownBranch(messages: readonly Message[]): string {
  return JSON.stringify(messages.map(({ messageId, text }) => [messageId, text]));
}
