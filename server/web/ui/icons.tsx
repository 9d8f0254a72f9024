/** The icons of the page: one stroke, drawn like thread. Decorative always; the control beside them carries the name. */
const paths = {
  menu: 'M4 7h16M4 12h11M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  back: 'M14.5 5.5L8 12l6.5 6.5',
  next: 'M9.5 5.5L16 12l-6.5 6.5',
  down: 'M12 5v14M6 13.5l6 5.5 6-5.5',
  plus: 'M12 5v14M5 12h14',
  send: 'M12 19V5M6 10.5L12 5l6 5.5',
  stop: 'M8 8h8v8H8z',
  again: 'M19 12a7 7 0 1 1-2.3-5.2M19 4v4h-4',
  edit: 'M4.5 19.5l1-4L16 5l3 3L8.5 18.5zM14 7l3 3',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  trash: 'M5 7h14M9 7V4.5h6V7M7 7l1 12.5h8L17 7M10.5 10.5v5.5M13.5 10.5v5.5',
  eye: 'M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  hide: 'M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM5 19L19 5',
  trace: 'M5 6h6M5 12h14M5 18h9M15 4.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z',
  home: 'M4 11l8-6.5 8 6.5M6.5 9.5V19h11V9.5',
  usage: 'M5 19V11M10 19V5M15 19v-6M20 19V8',
  plan: 'M3.5 7h17v11h-17zM3.5 10.500h17M7 15h4',
  creator: 'M12 4l2.300 5 5.200.600-3.900 3.600 1.100 5.300L12 15.800 7.300 18.500l1.100-5.300L4.500 9.600l5.200-.600z',
  settings: 'M5 7h8M17 7h2M5 17h2M11 17h8M15 5v4M9 15v4',
  admin: 'M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6zM9 12l2.2 2.2L15.5 10',
  globe: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM4 12h16M12 4c3 2.5 3 13.5 0 16M12 4c-3 2.5-3 13.5 0 16',
  exit: 'M13 5H6v14h7M10 12h10M16.5 8.5L20 12l-3.5 3.5',
  alert: 'M12 4.5l8.5 15h-17zM12 10v4.5M12 17v.2',
  offline: 'M4 9.5c5-4.500 11-4.500 16 0M7 13c3-2.700 7-2.700 10 0M12 17.500v.2M5 20L19 4',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={paths[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
