/** The commands of the ledger's proofs: parsed body in, service, reply out. */
import type { Handlers } from '../../handlers.ts';
import type { ProofService } from './service.ts';

export function proofFrames(proofs: Pick<ProofService, 'proofOf'>): Handlers<'billing.proof'> {
  return {
    'billing.proof': (caller, { shard, seq }) => proofs.proofOf(caller.userId, shard, seq),
  };
}
