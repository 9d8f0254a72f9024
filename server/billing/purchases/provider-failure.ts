/** What a person hears when the provider did not do it. */
import { AppError } from '../../errors.ts';
import { ProviderError } from './gateway.ts';

/** @throws AppError `billing.provider_unavailable` or `billing.provider_rejected`. */
export async function reachProvider<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    throw new AppError(error.retry ? 'billing.provider_unavailable' : 'billing.provider_rejected', {
      reason: error.code,
    });
  }
}
