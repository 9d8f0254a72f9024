import { errorText } from '../session/error-text.ts';
import { notify } from '../ui/notices.tsx';

/** Says why something that an operator did was refused. */
export const tell = (error: unknown): void => notify(errorText(error), 'wrong');
