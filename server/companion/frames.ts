/** Commands of the domain companion: body in, service, reply out. */
import type { Handlers } from '../handlers.ts';
import type { CompanionService } from './service.ts';

type CompanionType =
  | 'companion.list_avatars'
  | 'companion.find_avatars'
  | 'companion.create_avatar'
  | 'companion.update_avatar'
  | 'companion.publish_avatar'
  | 'companion.delete_avatar'
  | 'companion.list_prompts'
  | 'companion.add_prompt'
  | 'companion.activate_prompt';

export function companionFrames(companion: CompanionService): Handlers<CompanionType> {
  return {
    'companion.list_avatars': (caller, body) => companion.listAvatars(caller, body),
    'companion.find_avatars': (caller, body) => companion.findAvatars(caller, body.avatarIds),
    'companion.create_avatar': (caller, body) => companion.createAvatar(caller, body),
    'companion.update_avatar': (caller, body) => companion.updateAvatar(caller, body),
    'companion.publish_avatar': (caller, body) => companion.publishAvatar(caller, body),
    'companion.delete_avatar': (caller, body) => companion.deleteAvatar(caller, body.avatarId),
    'companion.list_prompts': (caller, body) => companion.listPrompts(caller, body),
    'companion.add_prompt': (caller, body) => companion.addPrompt(caller, body),
    'companion.activate_prompt': (caller, body) => companion.activatePrompt(caller, body),
  };
}
