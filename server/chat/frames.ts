/** Commands of the domain chat: body in, service, reply out. */
import type { UpType } from '../../protocol/up.ts';
import type { Handlers } from '../handlers.ts';
import type { ChatService } from './service.ts';
import type { TraceReader } from './trace.ts';
import type { Turns } from './turns.ts';

export function chatFrames(
  chat: ChatService,
  turns: Turns,
  traces: TraceReader,
): Handlers<Extract<UpType, `chat.${string}`>> {
  return {
    'chat.open': (caller, body) => chat.open(caller, body),
    'chat.list_conversations': (caller, body) => chat.list(caller, body),
    'chat.delete_conversation': (caller, body) => chat.delete(caller, body.conversationId),
    'chat.send': (caller, body) => turns.send(caller, body),
    'chat.attach': (caller, body) => chat.attach(caller, body),
    'chat.detach': (caller, body) => chat.detach(caller, body.conversationId),
    'chat.stop': (caller, body) => chat.stop(caller, body.generationId),
    'chat.regenerate': (caller, body) => turns.regenerate(caller, body),
    'chat.edit': (caller, body) => turns.edit(caller, body),
    'chat.select': (caller, body) => chat.select(caller, body),
    'chat.history': (caller, body) => chat.history(caller, body),
    'chat.trace': (caller, body) => traces.read(caller, body.generationId),
    'chat.typing': (caller, body) => chat.typing(caller, body.conversationId),
  };
}
