/** Every error a client can meet, as data: when to retry, how loudly the server logs it, what it says. */
import { payoutErrors } from './payout-errors.ts';
import { planErrors } from './plan-errors.ts';
import { purchaseErrors } from './purchase-errors.ts';
import { reversalErrors } from './reversal-errors.ts';

/**
 * - `never`: the same request fails again.
 * - `backoff`: retry with exponential back-off and jitter.
 * - `after`: retry after `retryAfterMs`.
 * - `reconnect`: open a new connection first.
 */
export type RetryPolicy = 'never' | 'backoff' | 'after' | 'reconnect';
export type ErrorPolicy = Readonly<{
  retry: RetryPolicy;
  log: 'debug' | 'info' | 'warn' | 'error';
  /** HTTP status when the error answers an HTTP request. */
  status: number;
  says: string;
  saysJa: string;
}>;

export const errorCodes = {
  // The connection and its envelope.
  'protocol.malformed': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'The frame could not be decoded.',
    saysJa: 'フレームを解読できませんでした。',
  },
  'protocol.unknown_type': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'There is no command of this type.',
    saysJa: 'この種類のコマンドはありません。',
  },
  'protocol.invalid_body': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'A field is missing or has the wrong form.',
    saysJa: '項目が不足しているか、形式が正しくありません。',
  },
  'protocol.too_large': {
    retry: 'never',
    log: 'info',
    status: 413,
    says: 'The message is larger than allowed.',
    saysJa: 'メッセージが大きすぎます。',
  },
  'protocol.rate_limited': {
    retry: 'after',
    log: 'info',
    status: 429,
    says: 'Too many requests; wait before the next.',
    saysJa: 'リクエストが多すぎます。しばらくお待ちください。',
  },
  'protocol.not_found': {
    retry: 'never',
    log: 'debug',
    status: 404,
    says: 'There is nothing at this address.',
    saysJa: 'このアドレスには何もありません。',
  },
  'protocol.method_not_allowed': {
    retry: 'never',
    log: 'debug',
    status: 405,
    says: 'This address does not take this method.',
    saysJa: 'このアドレスではこのメソッドを使えません。',
  },
  busy: {
    retry: 'backoff',
    log: 'warn',
    status: 503,
    says: 'The server has more work than it takes right now.',
    saysJa: '混み合っています。少し待ってからもう一度お試しください。',
  },
  draining: {
    retry: 'reconnect',
    log: 'info',
    status: 503,
    says: 'This server is going down; reconnect.',
    saysJa: 'サーバーを切り替えています。再接続してください。',
  },
  internal: {
    retry: 'backoff',
    log: 'error',
    status: 500,
    says: 'An unexpected failure; `correlationId` finds it in the log.',
    saysJa: '予期しないエラーが発生しました。',
  },

  // Accounts.
  'identity.unauthenticated': {
    retry: 'never',
    log: 'info',
    status: 401,
    says: 'Sign in first: the token or ticket is missing, unknown or expired.',
    saysJa: 'サインインしてください。',
  },
  'identity.invalid_credentials': {
    retry: 'never',
    log: 'info',
    status: 401,
    says: 'Mail address or password is wrong.',
    saysJa: 'メールアドレスまたはパスワードが違います。',
  },
  'identity.email_taken': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'This mail address cannot be used for a new account.',
    saysJa: 'このメールアドレスは使用できません。',
  },
  'identity.weak_password': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'The password is too short or too common.',
    saysJa: 'パスワードが短すぎるか、推測されやすいものです。',
  },
  'identity.forbidden': {
    retry: 'never',
    log: 'warn',
    status: 403,
    says: 'This account may not do that.',
    saysJa: 'この操作を行う権限がありません。',
  },
  'identity.token_reused': {
    retry: 'never',
    log: 'warn',
    status: 401,
    says: 'This refresh token was used before; its whole family has been ended.',
    saysJa: 'このトークンは使用済みです。もう一度サインインしてください。',
  },
  'identity.session_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such session of this account.',
    saysJa: 'セッションが見つかりません。',
  },

  // Billing.
  'billing.insufficient_tokens': {
    retry: 'never',
    log: 'info',
    status: 402,
    says: 'The balance of tokens does not cover this.',
    saysJa: 'トークンの残高が不足しています。',
  },
  'billing.monthly_cap_reached': {
    retry: 'never',
    log: 'info',
    status: 402,
    says: 'The tokens of this month are used up; a new period, another plan or bought tokens go on.',
    saysJa: '今月のトークン上限に達しました。次の期間を待つか、プランの変更またはトークンの購入をご検討ください。',
  },
  'billing.organization_cap_reached': {
    retry: 'never',
    log: 'info',
    status: 402,
    says: 'The tokens of the organisation for this month are used up.',
    saysJa: '組織の今月のトークン上限に達しました。',
  },
  'billing.proof_pending': {
    retry: 'backoff',
    log: 'debug',
    status: 409,
    says: 'It is not in a signed checkpoint yet; that takes a few seconds.',
    saysJa: '署名済みチェックポイントにまだ含まれていません。数秒お待ちください。',
  },

  ...purchaseErrors,
  ...reversalErrors,
  ...planErrors,

  ...payoutErrors,

  // Avatars.
  'companion.avatar_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such avatar that this account may see.',
    saysJa: 'アバターが見つかりません。',
  },
  'companion.prompt_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such version of the prompt.',
    saysJa: 'プロンプトの版が見つかりません。',
  },
  'companion.avatar_limit': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'No further avatar is allowed.',
    saysJa: 'これ以上アバターを作成できません。',
  },

  // Chat.
  'chat.conversation_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such conversation of this account.',
    saysJa: '会話が見つかりません。',
  },
  'chat.message_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such message in a conversation of this account.',
    saysJa: 'メッセージが見つかりません。',
  },
  'chat.generation_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such generation of this account.',
    saysJa: '生成が見つかりません。',
  },
  'chat.generation_running': {
    retry: 'backoff',
    log: 'info',
    status: 409,
    says: 'An answer is being written in this conversation; wait for it or stop it.',
    saysJa: '回答を生成中です。完了を待つか、停止してください。',
  },
  'chat.too_many_generations': {
    retry: 'backoff',
    log: 'info',
    status: 429,
    says: 'This account has as many answers running as it may.',
    saysJa: '同時に生成できる回答の上限に達しました。',
  },
  'chat.too_many_branches': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'There are as many branches beside each other here as there may be (200); go on from one of them.',
    saysJa: 'ここでの別案は上限（200件）に達しました。いずれかの続きから会話してください。',
  },
  'chat.revision_conflict': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'The conversation has changed since `expectedRevision`; attach again.',
    saysJa: '会話が更新されています。読み込み直してください。',
  },
  'chat.client_message_conflict': {
    retry: 'never',
    log: 'info',
    status: 409,
    says: 'This `clientMessageId` was used for another message.',
    saysJa: 'この clientMessageId は別のメッセージで使用済みです。',
  },
  'chat.kind_unavailable': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'This kind of conversation is not offered by this server.',
    saysJa: 'この種類の会話は利用できません。',
  },
  'chat.wrong_role': {
    retry: 'never',
    log: 'info',
    status: 400,
    says: 'This can only be done with a message of the other role.',
    saysJa: 'このメッセージには実行できません。',
  },
  'chat.prompt_too_long': {
    retry: 'never',
    log: 'info',
    status: 413,
    says: 'Prompt and message do not fit into the context of the model.',
    saysJa: 'メッセージが長すぎて、モデルの上限を超えています。',
  },

  // The model's provider.
  'llm.unavailable': {
    retry: 'backoff',
    log: 'warn',
    status: 503,
    says: 'The model cannot be reached.',
    saysJa: 'AI モデルに接続できません。',
  },
  'llm.rate_limited': {
    retry: 'after',
    log: 'warn',
    status: 429,
    says: 'The model provider limits our requests.',
    saysJa: 'AI モデルの利用制限に達しました。',
  },
  'llm.rejected': {
    retry: 'never',
    log: 'warn',
    status: 502,
    says: 'The model provider refused the request.',
    saysJa: 'AI モデルがリクエストを拒否しました。',
  },
  'llm.misconfigured': {
    retry: 'never',
    log: 'error',
    status: 502,
    says: 'The model provider refused our key or does not know the model.',
    saysJa: 'AI モデルの設定に誤りがあります。',
  },
  'llm.content_filtered': {
    retry: 'never',
    log: 'info',
    status: 422,
    says: 'The model provider filtered the content.',
    saysJa: '内容が制限されました。',
  },
  'llm.timeout': {
    retry: 'backoff',
    log: 'warn',
    status: 504,
    says: 'The model did not answer in time.',
    saysJa: 'AI モデルの応答が時間内にありませんでした。',
  },
  'llm.broken_stream': {
    retry: 'backoff',
    log: 'warn',
    status: 502,
    says: 'The stream of the model broke off or was malformed.',
    saysJa: 'AI モデルの応答が途中で途切れました。',
  },

  // Operation.
  'ops.connection_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such live connection.',
    saysJa: '接続が見つかりません。',
  },
  'ops.user_not_found': {
    retry: 'never',
    log: 'info',
    status: 404,
    says: 'There is no such user.',
    saysJa: 'ユーザーが見つかりません。',
  },
} as const satisfies Record<string, ErrorPolicy>;

export type ErrorCode = keyof typeof errorCodes;
