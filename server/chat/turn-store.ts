/** Writes turns and asks the model, in the order that money asks for: what an answer may cost is held before anybody is asked. */
import { type BegunTurn, beginTurn, beginTurnAlone, type NewTurn, shortenAnswer } from '../../db/chat/turns.ts';
import type { Database } from '../../db/client.ts';
import type { ChatRequest } from '../llm/model.ts';
import type { Generation } from './generation.ts';
import type { HoldAhead } from './hold-ahead.ts';
import type { GenerationHub } from './hub.ts';
import type { Billing, ChatLog } from './needs.ts';
import { LEAST_OUTPUT_TOKENS } from './prompt.ts';

type Asking = { generation: Generation; request: ChatRequest };

export class TurnStore {
  readonly #parts: { db: Database; hub: GenerationHub; billing: Billing; log: ChatLog };
  readonly #billingMode: 'metered' | 'free';

  constructor(
    parts: { db: Database; hub: GenerationHub; billing: Billing; log: ChatLog },
    billingMode: 'metered' | 'free',
  ) {
    this.#parts = parts;
    this.#billingMode = billingMode;
  }

  /** @param ahead what was held for the answer already; of no use where it is less than the answer may cost. */
  store(turn: NewTurn, asking: Asking, ahead: HoldAhead | undefined): Promise<BegunTurn> {
    return this.#parts.hub.whileStored(turn.generation.id, () => this.#store(turn, asking, ahead));
  }

  async #store(turn: NewTurn, asking: Asking, ahead: HoldAhead | undefined): Promise<BegunTurn> {
    if (this.#billingMode === 'free') return this.#storeAndAsk(turn, asking);
    const { generation, request } = asking;
    if (ahead !== undefined) {
      if (await ahead.covers(generation.facts.promptTokens + request.maxOutputTokens))
        return ahead.spendOn(() => this.#storeAndAsk(turn, asking));
      await ahead.giveBack();
    }
    return this.#holdThenAsk(turn, asking);
  }

  /** All is held, or nobody pays: the model thinks while the turn is being committed, and what it says is shown to nobody before. */
  async #storeAndAsk(turn: NewTurn, { generation, request }: Asking): Promise<BegunTurn> {
    const { db, hub } = this.#parts;
    const { userId } = generation.facts;
    // First, since it is the one that the reader waits for.
    hub.prepare(generation, request);
    try {
      return await db.inOneStatement((statement) => beginTurnAlone(statement, userId, turn));
    } catch (error) {
      hub.discard(generation);
      throw error;
    }
  }

  /** The most that the answer can cost is held, in the transaction of the turn, before the model is asked. */
  async #holdThenAsk(turn: NewTurn, { generation, request }: Asking): Promise<BegunTurn> {
    const { db, hub, billing } = this.#parts;
    const { generationId, userId, promptTokens } = generation.facts;
    const { maxOutputTokens } = request;
    const minOutputTokens = Math.min(LEAST_OUTPUT_TOKENS, maxOutputTokens);
    const [begun, held] = await db.asUserAtOnce(userId, (tx) =>
      Promise.all([
        beginTurn(tx, turn),
        billing.hold(tx, { generationId, userId, promptTokens, maxOutputTokens, minOutputTokens }),
      ]),
    );
    if (held.maxOutputTokens < maxOutputTokens) this.#shorten(generationId, held.maxOutputTokens);
    hub.prepare(generation, { ...request, maxOutputTokens: held.maxOutputTokens });
    return begun;
  }

  /** Nobody waits for it: what is charged keeps to the hold in any case. */
  #shorten(generationId: string, maxOutputTokens: number): void {
    const { db, log } = this.#parts;
    db.asService((tx) => shortenAnswer(tx, generationId, maxOutputTokens)).catch((error: unknown) =>
      log.warn({ error, generationId }, 'the trace could not be told that the answer is shortened'),
    );
  }
}
