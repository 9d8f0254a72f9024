/**
 * What a compatible server does not understand of our requests. Learnt from its 400 answers, once for each model, so that
 * older servers and reasoning models work without settings. Owns the shape of the request; sends nothing.
 */
import type OpenAI from 'openai';
import type { ChatRequest } from './model.ts';

export type CompletionParams = OpenAI.ChatCompletionCreateParamsStreaming;
type Droppable = 'stream_options' | 'temperature' | 'top_p' | 'seed' | 'stop' | 'user';
const droppable: readonly Droppable[] = ['stream_options', 'temperature', 'top_p', 'seed', 'stop', 'user'];

/** A parameter that is not known, or not in this model. A value out of range is the fault of one avatar and teaches nothing. */
const refuses =
  /unsupported|not supported|does not support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|forbidden|cannot find field/i;

type Manner = { tokensField: 'max_tokens' | 'max_completion_tokens'; dropped: Set<Droppable>; swapped: boolean };

export class Dialect {
  readonly #manners = new Map<string, Manner>();
  readonly #tokensField: Manner['tokensField'];

  /** @param official true for the vendor's own servers, whose newer models refuse `max_tokens`. */
  constructor(official: boolean) {
    this.#tokensField = official ? 'max_completion_tokens' : 'max_tokens';
  }

  paramsOf(request: ChatRequest): CompletionParams {
    const { tokensField, dropped } = this.#mannerOf(request.model);
    const params: CompletionParams = {
      model: request.model,
      messages: request.messages,
      stream: true,
      stream_options: { include_usage: true },
      [tokensField]: request.maxOutputTokens,
    };
    if (request.temperature !== undefined) params.temperature = request.temperature;
    if (request.topP !== undefined) params.top_p = request.topP;
    if (request.seed !== undefined) params.seed = request.seed;
    if (request.stop !== undefined && request.stop.length > 0) params.stop = request.stop;
    if (request.user !== undefined) params.user = request.user;
    for (const name of dropped) delete params[name];
    return params;
  }

  /**
   * @param complaint code, parameter and message of a 400 answer.
   * @returns true when the next request of this model will look different, so that another attempt makes sense.
   */
  learn(model: string, complaint: string): boolean {
    if (!refuses.test(complaint)) return false;
    const manner = this.#mannerOf(model);
    if (!manner.swapped && complaint.includes(manner.tokensField)) {
      manner.swapped = true;
      manner.tokensField = manner.tokensField === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens';
      return true;
    }
    const names = complaint.includes('include_usage') ? `${complaint} stream_options` : complaint;
    const unknown = droppable.find((name) => !manner.dropped.has(name) && new RegExp(`\\b${name}\\b`).test(names));
    if (unknown === undefined) return false;
    manner.dropped.add(unknown);
    return true;
  }

  #mannerOf(model: string): Manner {
    let manner = this.#manners.get(model);
    if (manner === undefined) {
      manner = { tokensField: this.#tokensField, dropped: new Set(), swapped: false };
      this.#manners.set(model, manner);
    }
    return manner;
  }
}
