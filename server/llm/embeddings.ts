/** Embeddings over the OpenAI protocol: unit vectors in the order of the texts. */
import type OpenAI from 'openai';

const BATCH = 128;

export class OpenAiEmbedder {
  readonly model: string;
  readonly dimensions: number;
  readonly #sdk: OpenAI;

  private constructor(sdk: OpenAI, model: string, dimensions: number) {
    this.#sdk = sdk;
    this.model = model;
    this.dimensions = dimensions;
  }

  static async create(sdk: OpenAI, model: string): Promise<OpenAiEmbedder> {
    const [probe] = await embedBatch(sdk, model, ['dimensions']);
    return new OpenAiEmbedder(sdk, model, probe?.length ?? 0);
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += BATCH) {
      vectors.push(...(await embedBatch(this.#sdk, this.model, texts.slice(from, from + BATCH))));
    }
    const odd = vectors.find((vector) => vector.length !== this.dimensions);
    if (odd !== undefined)
      throw new Error(`${this.model} gave ${odd.length} dimensions instead of ${this.dimensions}.`);
    return vectors;
  }
}

async function embedBatch(sdk: OpenAI, model: string, texts: readonly string[]): Promise<Float32Array[]> {
  const answer = await sdk.embeddings.create({ model, input: [...texts], encoding_format: 'base64' });
  const vectors = new Array<Float32Array | undefined>(texts.length);
  for (const { index, embedding } of answer.data) vectors[index] = unit(toFloats(embedding));
  return vectors.map((vector, index) => {
    if (vector === undefined || vector.length === 0) throw new Error(`${model} gave no embedding for text ${index}.`);
    return vector;
  });
}

/** Base64 of little-endian floats as asked for, or the plain numbers that simpler servers answer with. */
function toFloats(embedding: unknown): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding as number[]);
  const bytes = Buffer.from(embedding, 'base64');
  return new Float32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4));
}

function unit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  return length > 0 ? vector.map((value) => value / length) : vector;
}
