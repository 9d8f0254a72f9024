/** Errors of correcting the ledger, as data; see `error-code.ts`. */
export const reversalErrors = {
  'billing.entry_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such entry in the ledger.',
    saysJa: 'この記帳は台帳にありません。',
  },
  'billing.not_reversible': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'This entry cannot be taken back: corrections stand, and what was bought is given back by a refund.',
    saysJa: 'この記帳は取り消せません。訂正の取り消しはできず、購入分は返金で戻します。',
  },
  'billing.already_reversed': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'This entry is taken back already, or somebody has asked for it.',
    saysJa: 'この記帳はすでに取り消されたか、取り消しの申請中です。',
  },
  'billing.reversal_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such reversal.',
    saysJa: 'この取り消しの申請はありません。',
  },
  'billing.reversal_decided': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'This reversal is decided already.',
    saysJa: 'この取り消しはすでに決定済みです。',
  },
  'billing.second_person_needed': {
    retry: 'never',
    log: 'info',
    status: 403,
    says: 'Another operator has to agree, and one whose own account it does not concern.',
    saysJa: '本人の口座に関わらない、別の運用者の承認が必要です。',
  },
} as const;
