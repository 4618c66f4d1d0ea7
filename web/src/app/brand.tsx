import { Link } from '@tanstack/react-router'

/** The mark: containers on a deck. */
export function Mark({ size = 26 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="#0f766e" />
      <path d="M7 19h18l-2.2 4.6a2 2 0 0 1-1.8 1.1H11a2 2 0 0 1-1.8-1.1L7 19Z" fill="#fff" />
      <rect x="9" y="12.5" width="6" height="4.5" rx="1" fill="#fff" opacity=".85" />
      <rect x="17" y="12.5" width="6" height="4.5" rx="1" fill="#fff" opacity=".85" />
      <rect x="13" y="6.5" width="6" height="4.5" rx="1" fill="#fff" opacity=".6" />
    </svg>
  )
}

export function Brand() {
  return (
    <Link to="/projects" className="brand">
      <Mark />
      <span>Berth</span>
    </Link>
  )
}
