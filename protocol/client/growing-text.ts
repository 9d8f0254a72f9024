/**
 * The text of one answer as it arrives. Owns the rule that makes any order of duplicates, merges, cuts and resumes end
 * in the same text: a piece counts by its offset, never by its arrival. Knows no socket.
 */
export type Piece = Readonly<{ epoch: number; seq: number; offset: number; text: string }>;
export type TextState = Readonly<{ epoch: number; seq: number; text: string }>;

/** `same`: nothing new in it. `grown`: the new part was added. `hole`: something before it is missing; attach again. */
export type Applied = 'same' | 'grown' | 'hole';

export class GrowingText {
  #epoch: number;
  #seq: number;
  #text: string;

  constructor(state: TextState = { epoch: 0, seq: -1, text: '' }) {
    this.#epoch = state.epoch;
    this.#seq = state.seq;
    this.#text = state.text;
  }

  get text(): string {
    return this.#text;
  }

  /** Where to resume from. */
  get cursor(): { seq: number; epoch: number } {
    return { seq: this.#seq, epoch: this.#epoch };
  }

  apply(piece: Piece): Applied {
    // A fenced owner's late words; the new owner's count.
    if (piece.epoch < this.#epoch) return 'same';
    // A new owner continues from the stored prefix, which may differ from ours only if we missed something: ask.
    if (piece.epoch > this.#epoch && this.#epoch > 0 && piece.offset !== this.#text.length) return 'hole';
    if (piece.offset > this.#text.length) return 'hole';
    this.#seq = piece.epoch > this.#epoch ? piece.seq : Math.max(this.#seq, piece.seq);
    this.#epoch = piece.epoch;
    const known = this.#text.length - piece.offset;
    if (known >= piece.text.length) return 'same';
    this.#text += known === 0 ? piece.text : piece.text.slice(known);
    return 'grown';
  }

  /** Takes a snapshot over what is here, unless what is here is newer. */
  adopt(state: TextState): Applied {
    if (state.epoch < this.#epoch) return 'same';
    if (state.epoch === this.#epoch && state.text.length < this.#text.length) return 'same';
    const grown = state.text !== this.#text;
    this.#seq = state.epoch > this.#epoch ? state.seq : Math.max(this.#seq, state.seq);
    this.#epoch = state.epoch;
    this.#text = state.text;
    return grown ? 'grown' : 'same';
  }

  /** The stored text of the finished answer: the last word. */
  settle(text: string): void {
    this.#text = text;
  }
}
