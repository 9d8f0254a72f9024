/** What the persona can be told at start. */
export type PersonaOptions = {
  /** 0 takes a free port. */
  port?: number;
  host?: string;
  seed?: number;
  tokensPerSecond?: number;
  firstTokenMs?: number;
  /** Fixed words without a tokenizer, for measuring. */
  plain?: boolean;
  /** Tokens of a plain answer unless the request allows less. */
  plainTokens?: number;
  /** Listen to scripted faults. */
  faults?: boolean;
  /** Undefined: anyone who can reach the port may ask. */
  apiKey?: string;
};

export const PERSONA_MODEL = 'tsumugi-persona';
