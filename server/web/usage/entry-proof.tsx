/** A button beside an entry of the ledger: fetches its proof, checks it in this browser and says what came out. */
import { useSignal } from '@preact/signals';
import type { ConsistencyProof } from '../../../protocol/billing-proofs.ts';
import { formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorCode, errorText } from '../session/error-text.ts';
import { client } from '../session/store.ts';
import { type AskGrowth, checkEntry, type EntryCheck, type ShownEntry } from './known-log.ts';

type State =
  | { state: 'idle' | 'checking' | 'pending' }
  | { state: 'done'; check: EntryCheck }
  | { state: 'failed'; error: unknown };

export function EntryProof({ entry }: { entry: ShownEntry }) {
  const now = useSignal<State>({ state: 'idle' });
  const check = async () => {
    now.value = { state: 'checking' };
    try {
      const proof = await client().request('billing.proof', { shard: entry.shard, seq: entry.seq });
      now.value = { state: 'done', check: await checkEntry(entry, proof, localStorage, askGrowth) };
    } catch (error) {
      now.value = errorCode(error) === 'billing.proof_pending' ? { state: 'pending' } : { state: 'failed', error };
    }
  };
  // Browsers give these functions to pages of TLS and of this machine alone.
  if (globalThis.crypto?.subtle === undefined) return <p class="field-hint">{t('proof.needsTls')}</p>;
  return (
    <div class="entry-proof">
      <button
        type="button"
        class="button quiet small"
        disabled={now.value.state === 'checking'}
        onClick={() => void check()}
      >
        {t(now.value.state === 'checking' ? 'proof.checking' : 'proof.check')}
      </button>
      <p class="field-hint" role="status">
        {outcome(now.value)}
      </p>
    </div>
  );
}

function outcome(now: State): string {
  if (now.state === 'pending') return t('proof.pending');
  if (now.state === 'failed') return errorText(now.error);
  if (now.state !== 'done') return '';
  const { check } = now;
  if (!check.ok) return t(`proof.fault.${check.fault}`);
  const size = formatNumber(check.size);
  return check.since === undefined ? t('proof.first', { size }) : t('proof.right', { size });
}

const askGrowth: AskGrowth = async (shard, from, to) => {
  const reply = await fetch(`/ledger/proof/consistency?shard=${shard}&from=${from}&to=${to}`);
  // Refused for its sizes: the log is shorter than it was.
  if (reply.status === 400) return undefined;
  if (!reply.ok) throw new Error(`The server answered ${reply.status}.`);
  return (await reply.json()) as ConsistencyProof;
};
