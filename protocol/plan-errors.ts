/** Errors of plans and organisations, as data; see `error-code.ts`. */
export const planErrors = {
  'billing.plan_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such plan.',
    saysJa: 'このプランはありません。',
  },
  'billing.too_many_plans': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'There are as many plans as there may be (100), those that are not offered any more included.',
    saysJa: 'プランは上限（100件、提供終了分を含む）に達しています。',
  },
  'billing.plan_exists': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'There is a plan of this name already.',
    saysJa: '同じプランがすでにあります。',
  },
  'billing.checkout_required': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'There is no paid plan to change; begin one with a checkout.',
    saysJa: '変更できる有料プランがありません。購入手続きから始めてください。',
  },
  'billing.no_subscription': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'This account has no paid plan.',
    saysJa: '有料プランに加入していません。',
  },
  'identity.organization_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such organisation.',
    saysJa: '組織が見つかりません。',
  },
  'identity.not_a_member': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'This account does not belong to the organisation.',
    saysJa: 'このアカウントは組織に所属していません。',
  },
} as const;
