/** Commands of the domain identity. */
import type { Handlers } from '../handlers.ts';
import type { UserPresence } from './presence.ts';
import type { IdentityService } from './service.ts';

type IdentityCommand =
  | 'identity.me'
  | 'identity.update_profile'
  | 'identity.change_password'
  | 'identity.list_sessions'
  | 'identity.end_session'
  | 'identity.presence';

export function identityFrames(
  identity: IdentityService,
  presence: Pick<UserPresence, 'count'>,
): Handlers<IdentityCommand> {
  return {
    'identity.me': (caller) => identity.me(caller.userId),
    'identity.update_profile': (caller, body) => identity.updateProfile(caller.userId, body),
    'identity.change_password': async (caller, body) => {
      await identity.changePassword(caller, body.currentPassword, body.newPassword);
      return {};
    },
    'identity.list_sessions': (caller, body) => identity.listSessions(caller, body),
    'identity.end_session': async (caller, body) => {
      await identity.endSession(caller, body.sessionId);
      return {};
    },
    'identity.presence': async (caller) => ({ connections: await presence.count(caller.userId) }),
  };
}
