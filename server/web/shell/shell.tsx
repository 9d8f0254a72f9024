/** The frame around every screen: the side with the conversations, on phones a bar with a drawer. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { ConnectionBanner, ConnectionMark } from '../connection/banner.tsx';
import { ConversationList } from '../conversations/list.tsx';
import { ElsewhereMark } from '../devices/elsewhere-mark.tsx';
import { type TextKey, t } from '../i18n/translate.ts';
import { currentPath, pathTo } from '../router.ts';
import { isAdmin } from '../session/store.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Icon, type IconName } from '../ui/icons.tsx';
import { Link } from './link.tsx';
import { MenuButton, menuOpen } from './menu.tsx';
import { Wordmark } from './wordmark.tsx';

export function Shell({ children }: { children: ComponentChildren }) {
  const path = currentPath.value;
  useEffect(() => {
    menuOpen.value = false;
  }, [path]);
  return (
    <div class="shell">
      <a class="skip" href="#content">
        {t('nav.skip')}
      </a>
      <aside class="side">
        <SideContent />
      </aside>
      <header class="bar">
        <MenuButton />
        <Link to={pathTo.home} class="bar-home">
          <Wordmark size={26} />
        </Link>
        <ConnectionMark />
      </header>
      {menuOpen.value && (
        <Dialog
          kind="drawer-start"
          title={t('nav.title')}
          onClose={() => {
            menuOpen.value = false;
          }}
        >
          <SideContent
            onFollow={() => {
              menuOpen.value = false;
            }}
          />
        </Dialog>
      )}
      <div class="content" id="content" tabIndex={-1}>
        <ConnectionBanner />
        {children}
      </div>
    </div>
  );
}

const places: readonly { to: string; icon: IconName; text: TextKey; adminOnly?: boolean }[] = [
  { to: pathTo.home, icon: 'home', text: 'nav.home' },
  { to: pathTo.usage, icon: 'usage', text: 'nav.usage' },
  { to: pathTo.plan, icon: 'plan', text: 'nav.plan' },
  { to: pathTo.creator, icon: 'creator', text: 'nav.creator' },
  { to: pathTo.settings, icon: 'settings', text: 'nav.settings' },
  { to: pathTo.admin, icon: 'admin', text: 'nav.admin', adminOnly: true },
];

function SideContent({ onFollow }: { onFollow?: () => void }) {
  return (
    <div class="side-content">
      <Link to={pathTo.home} class="side-home" {...(onFollow === undefined ? {} : { onFollow })}>
        <Wordmark />
      </Link>
      <nav aria-label={t('nav.title')}>
        <ul class="places">
          {places
            .filter((place) => place.adminOnly !== true || isAdmin.value)
            .map((place) => (
              <li key={place.to}>
                <Link to={place.to} class="place" {...(onFollow === undefined ? {} : { onFollow })}>
                  <Icon name={place.icon} />
                  {t(place.text)}
                </Link>
              </li>
            ))}
        </ul>
      </nav>
      <ConversationList {...(onFollow === undefined ? {} : { onFollow })} />
      <div class="side-foot">
        <ConnectionMark />
        <ElsewhereMark {...(onFollow === undefined ? {} : { onFollow })} />
      </div>
    </div>
  );
}
