/** What can happen in a step, as data: it is printed, and it can be done to the real server and to the oracle alike. */
import type { Dispute } from './world.ts';

export type Answered = {
  generationId: string;
  userId: string;
  payeeUserId: string | null;
  tokensIn: number;
  tokensOut: number;
  newConversation: boolean;
};
export type Allowance = {
  capTokens?: number | null;
  atCap?: 'stop' | 'use_bought';
  organizationId?: string | null;
};

/** `waits`: until the chains have it; otherwise whoever asked is gone after the commit. */
export type Action =
  | { do: 'sign up'; userId: string; account: string; waits: boolean }
  | { do: 'sign up again'; userId: string }
  | { do: 'grant'; userId: string; tokens: number; key: string; waits: boolean }
  | { do: 'set allowance'; userId: string; change: Allowance }
  | { do: 'set organisation'; organizationId: string; capTokens: number | null }
  | { do: 'end month'; userId: string }
  | { do: 'begin month'; userId: string }
  | { do: 'end month of organisation'; organizationId: string }
  | {
      do: 'hold';
      userId: string;
      generationId: string;
      promptTokens: number;
      maxOutputTokens: number;
      minOutputTokens: number;
    }
  | { do: 'hold ahead'; userId: string; generationId: string; promptTokens: number; maxOutputTokens: number }
  | { do: 'give back'; generationIds: string[] }
  | { do: 'settle'; answers: Answered[]; waits: boolean }
  | { do: 'let expire'; generationIds: string[] }
  | { do: 'extend'; generationIds: string[] }
  | { do: 'release expired' }
  | { do: 'begin payment'; paymentId: string; userId: string; units: number; amountMinor: number }
  | {
      do: 'see payment';
      paymentId: string;
      /** The number under which the provider was asked; answers come in any order. */
      sync: number;
      refundedMinor: number;
      dispute: Dispute;
      waits: boolean;
    }
  | { do: 'ask reversal'; operatorId: string; entry: string; requestKey: string | null; reason: string }
  | { do: 'approve reversal' | 'decline reversal'; operatorId: string; reversalId: string }
  | { do: 'ask once'; userId: string; key: string; tokens: number; waits: boolean };

/** What whoever asked is told, and ids that the server made up. */
export type Told = { outcome: unknown; id?: string };
