/** Which screen stands where. */

import { AdminScreen } from './admin/admin-screen.tsx';
import { EditAvatarScreen, NewAvatarScreen } from './avatars/editor-screen.tsx';
import { HomeScreen } from './avatars/home-screen.tsx';
import { ChatScreen } from './chat/chat-screen.tsx';
import { CreatorScreen } from './creator/creator-screen.tsx';
import { t } from './i18n/translate.ts';
import { PlanScreen } from './money/plan-screen.tsx';
import { pathTo, route } from './router.ts';
import { errorText } from './session/error-text.ts';
import { SignInScreen } from './session/sign-in-screen.tsx';
import { isAdmin, sessionState } from './session/store.ts';
import { SettingsScreen } from './settings/settings-screen.tsx';
import { Link } from './shell/link.tsx';
import { Screen } from './shell/screen.tsx';
import { Shell } from './shell/shell.tsx';
import { start, startFailure } from './start.ts';
import { Notices } from './ui/notices.tsx';
import { Failed, Spinning } from './ui/states.tsx';
import { UsageScreen } from './usage/usage-screen.tsx';

export function App() {
  return (
    <>
      <Current />
      <Notices />
    </>
  );
}

function Current() {
  switch (sessionState.value) {
    case 'starting':
      return (
        <main class="starting">
          {startFailure.value === undefined ? (
            <Spinning />
          ) : (
            <Failed text={errorText(startFailure.value)} onRetry={() => void start()} />
          )}
        </main>
      );
    case 'signed_out':
      return <SignInScreen />;
    case 'signed_in':
      return (
        <Shell>
          <CurrentScreen />
        </Shell>
      );
  }
}

function CurrentScreen() {
  const here = route.value;
  switch (here.name) {
    case 'home':
      return <HomeScreen />;
    case 'chat':
      return <ChatScreen key={here.conversationId} conversationId={here.conversationId} />;
    case 'new-avatar':
      return <NewAvatarScreen />;
    case 'avatar':
      return <EditAvatarScreen key={here.avatarId} avatarId={here.avatarId} />;
    case 'usage':
      return <UsageScreen />;
    case 'plan':
      return <PlanScreen />;
    case 'creator':
      return <CreatorScreen />;
    case 'settings':
      return <SettingsScreen />;
    case 'admin':
      return isAdmin.value ? <AdminScreen part={here.part} /> : <NotFound />;
    case 'unknown':
      return <NotFound />;
  }
}

function NotFound() {
  return (
    <Screen title={t('notFound.title')}>
      <p>{t('notFound.text')}</p>
      <Link to={pathTo.home} class="button">
        {t('nav.home')}
      </Link>
    </Screen>
  );
}
