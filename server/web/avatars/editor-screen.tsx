/** Creating an avatar and changing an own one. */
import { useSignal } from '@preact/signals';
import type { TargetedEvent } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Avatar, AvatarPrompt } from '../../../protocol/companion.ts';
import { lang, t } from '../i18n/translate.ts';
import { navigate, pathTo } from '../router.ts';
import { errorField, errorText } from '../session/error-text.ts';
import { Screen } from '../shell/screen.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import {
  type AvatarDraft,
  checkDraft,
  type DraftErrors,
  draftOf,
  emptyDraft,
  faceOf,
  promptDiffers,
  promptOf,
} from './draft.ts';
import { CharacterFields, FaceFields, ParameterFields } from './editor-fields.tsx';
import { OwnerActions } from './owner-actions.tsx';
import { type PromptPages, PromptVersions } from './prompt-versions.tsx';
import { addPrompt, createAvatar, fetchAvatars, findAvatar, listPrompts, updateAvatar } from './store.ts';

export function NewAvatarScreen() {
  return (
    <Screen title={t('avatar.new')}>
      <p class="lead">{t('avatar.newLead')}</p>
      <Editor initial={emptyDraft(lang.peek())} onSave={saveNew} action={t('avatar.create')} />
    </Screen>
  );
}

async function saveNew(draft: AvatarDraft): Promise<void> {
  const avatar = await createAvatar(faceOf(draft), promptOf(draft));
  notify(t('avatar.created', { name: avatar.name }));
  navigate(pathTo.home);
}

export function EditAvatarScreen({ avatarId }: { avatarId: string }) {
  const prompts = useSignal<PromptPages | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const load = async () => {
    failure.value = undefined;
    try {
      await fetchAvatars([avatarId]);
      prompts.value = await listPrompts(avatarId);
    } catch (error) {
      failure.value = error;
    }
  };
  useEffect(() => void load(), [avatarId]);

  const avatar = findAvatar(avatarId);
  const active = prompts.value?.active ?? undefined;
  if (failure.value !== undefined) {
    return (
      <Screen title={t('avatar.edit')}>
        <Failed text={errorText(failure.value)} onRetry={() => void load()} />
      </Screen>
    );
  }
  if (avatar === undefined || prompts.value === undefined)
    return (
      <Screen title={t('avatar.edit')}>
        <Spinning />
      </Screen>
    );
  const save = (draft: AvatarDraft) => saveChanges(avatar, active, draft).then(load);
  return (
    <Screen
      title={avatar.name}
      documentTitle={t('avatar.editNamed', { name: avatar.name })}
      aside={<OwnerActions avatar={avatar} />}
    >
      {/* A new version fills the form anew. */}
      <Editor
        key={`${avatar.avatarId}.${active?.version ?? 0}`}
        initial={draftOf(avatar, active)}
        onSave={save}
        action={t('avatar.save')}
      />
      <PromptVersions
        avatarId={avatarId}
        pages={prompts.value}
        onChanged={(change) => {
          if (prompts.value !== undefined) prompts.value = change(prompts.value);
        }}
      />
    </Screen>
  );
}

async function saveChanges(avatar: Avatar, active: AvatarPrompt | undefined, draft: AvatarDraft): Promise<void> {
  await updateAvatar(avatar.avatarId, faceOf(draft));
  if (!promptDiffers(draft, active)) return notify(t('saved'));
  const { version } = await addPrompt(avatar.avatarId, promptOf(draft));
  notify(t('avatar.savedVersion', { version }));
}

type EditorProps = { initial: AvatarDraft; action: string; onSave: (draft: AvatarDraft) => Promise<void> };

function Editor({ initial, action, onSave }: EditorProps) {
  const form = useRef<HTMLFormElement>(null);
  const draft = useSignal(initial);
  const errors = useSignal<DraftErrors>({});
  const failure = useSignal<string | undefined>(undefined);
  const busy = useSignal(false);
  const change = (part: Partial<AvatarDraft>) => {
    draft.value = { ...draft.value, ...part };
    // What is being mended is no longer wrong; it is looked at again when it is saved.
    errors.value = Object.fromEntries(Object.entries(errors.value).filter(([field]) => !(field in part)));
  };
  const focusWrong = () =>
    requestAnimationFrame(() => {
      const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]');
      wrong?.closest('details')?.setAttribute('open', '');
      wrong?.focus();
    });

  const submit = async (event: TargetedEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy.value) return;
    failure.value = undefined;
    errors.value = checkDraft(draft.value);
    if (Object.keys(errors.value).length > 0) return void focusWrong();
    busy.value = true;
    try {
      await onSave(draft.value);
    } catch (error) {
      failure.value = errorText(error);
      const field = errorField(error);
      if (field !== undefined && field in draft.value) errors.value = { [field]: 'field.refused' };
      focusWrong();
    } finally {
      busy.value = false;
    }
  };

  const fields = { draft: draft.value, errors: errors.value, change };
  return (
    <form ref={form} class="editor" noValidate onSubmit={submit}>
      <FaceFields {...fields} />
      <CharacterFields {...fields} />
      <ParameterFields {...fields} />
      {failure.value !== undefined && (
        <p class="form-error" role="alert">
          <Icon name="alert" size={18} />
          {failure.value}
        </p>
      )}
      <div class="button-row sticky-actions">
        <button type="submit" class="button primary" aria-busy={busy.value} disabled={busy.value}>
          {busy.value ? t('working') : action}
        </button>
        <button type="button" class="button quiet" onClick={() => navigate(pathTo.home)}>
          {t('cancel')}
        </button>
      </div>
    </form>
  );
}
